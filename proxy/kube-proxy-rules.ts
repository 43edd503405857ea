/**
 * Rules of kube-proxy that are in the kernel although it has gone: they win for what they know, so whoever starts this proxy should hear
 * of them. Looked for without any program, and never touched. Names: pkg/proxy of Kubernetes, `tableName`, `kubeServicesChain`,
 * `defaultDummyDevice`. The kubelet has chains of its own (KUBE-POSTROUTING, KUBE-KUBELET-CANARY): they are no sign.
 */
import { readFile } from 'node:fs/promises'
import type { Log } from '../kube/log.ts'
import { type Family, families } from './rules/addresses.ts'
import { exchange, refusalIn } from './netlink/exchange.ts'
import { legacyTable } from './netlink/legacy-tables.ts'
import { loadNetlink, NetlinkFailure, type NetlinkSocket, NetlinkUnavailable } from './netlink/socket.ts'
import { command, request } from './nftables/element-messages.ts'

const table = 'kube-proxy'
const chains = ['KUBE-SERVICES', 'KUBE-NODEPORTS']
const dummyInterface = 'kube-ipvs0'
const chainAttribute = { table: 1, name: 3 } as const

/** One line if there are any. Never rejects. */
export async function warnOfKubeProxyRules(log: Log, find = findKubeProxyRules): Promise<void> {
  try {
    const found = await find()
    if (found.length === 0) return
    log.warn(
      { found },
      'rules of kube-proxy are still in the kernel and win for what they know: end it if it runs, then `kube-proxy --cleanup` with its image, or restart the node',
    )
  } catch (error) {
    log.debug({ error }, 'rules of kube-proxy could not be looked for')
  }
}

/** What there is, in words; what cannot be looked at counts as absent. */
export async function findKubeProxyRules(): Promise<string[]> {
  const parts = await Promise.all([inNftables(), ...families.map(inLegacyTables), ofInterfaces()])
  return parts.flat()
}

async function inNftables(): Promise<string[]> {
  try {
    const socket = (await loadNetlink()).open()
    try {
      return families.flatMap((family) => [
        ...(hasTable(socket, family) ? [`nft table ${family} ${table}`] : []),
        ...chains.flatMap((chain) => (hasChain(socket, family, chain) ? [`nft chain ${family} nat ${chain}`] : [])),
      ])
    } finally {
      socket.close()
    }
  } catch (error) {
    if (error instanceof NetlinkUnavailable || error instanceof NetlinkFailure) return []
    throw error
  }
}

function hasTable(socket: NetlinkSocket, family: Family): boolean {
  const asked = request(command.getTable, family, 0, (writer) => writer.text(1, table))
  return refusalIn(exchange(socket, asked), table) === undefined
}

function hasChain(socket: NetlinkSocket, family: Family, chain: string): boolean {
  const asked = request(command.getChain, family, 0, (writer) => {
    writer.text(chainAttribute.table, 'nat')
    writer.text(chainAttribute.name, chain)
  })
  return refusalIn(exchange(socket, asked), chain) === undefined
}

async function inLegacyTables(family: Family): Promise<string[]> {
  const entries = await legacyTable(family, 'nat')
  const program = family === 'ip' ? 'iptables-legacy' : 'ip6tables-legacy'
  return chains.flatMap((chain) => (entries?.includes(`${chain}\0`) ? [`${program} chain nat ${chain}`] : []))
}

async function ofInterfaces(): Promise<string[]> {
  const listed = await readFile('/proc/net/dev', 'latin1').catch(() => '')
  const names = listed.split('\n').map((line) => line.split(':', 1)[0]?.trim())
  return names.includes(dummyInterface) ? [`interface ${dummyInterface}`] : []
}
