/**
 * The dummy interface that makes the addresses of frontends this node's own, so that their packets come to IPVS. It stays down: the kernel
 * routes to its addresses all the same, no multicast or link-local address comes with it, and programs that look for the node's addresses
 * pass over it. The addresses are never chosen as the source of other packets (scope host, and for IPv6 deprecated from the start).
 */
import type { Family } from '../rules/addresses.ts'
import { parseAddress } from '../rules/addresses.ts'
import type { Run } from '../program.ts'
import { WriteError } from '../writer.ts'

export const interfaceName = 'roadstead-ipvs0'

export interface BoundAddresses {
  /** Makes the interface if there is none. */
  prepare(): Promise<void>
  /** As `<family> <text>`; undefined without the interface. */
  list(): Promise<Set<string> | undefined>
  /** Names as `list` gives them. */
  change(add: Iterable<string>, remove: Iterable<string>): Promise<void>
  remove(): Promise<void>
}

export function boundAddresses(run: Run): BoundAddresses {
  const ip = async (args: readonly string[], input = '') => {
    const { code, stdout, stderr } = await run('ip', args, input)
    if (code !== 0 && !/does not exist|Cannot find device/.test(stderr)) {
      throw new WriteError(`ip ${args.join(' ')} failed: ${stderr.split('\n')[0] ?? ''}`)
    }
    return { found: code === 0, stdout }
  }
  const list = async () => {
    const { found, stdout } = await ip(['-json', 'address', 'show', 'dev', interfaceName])
    return found ? addressesIn(stdout) : undefined
  }
  return {
    list,
    async prepare() {
      const { found } = await ip(['-json', 'link', 'show', 'dev', interfaceName])
      if (!found) await ip(['link', 'add', interfaceName, 'type', 'dummy'])
      await ip(['link', 'set', interfaceName, 'addrgenmode', 'none', 'arp', 'off', 'down'])
    },
    async change(add, remove) {
      const lines = [
        ...[...remove].map((name) => `address del ${words(name).text} dev ${interfaceName}\n`),
        ...[...add].map((name) => addLine(name)),
      ]
      if (lines.length > 0) await ip(['-batch', '-'], lines.join(''))
    },
    async remove() {
      await ip(['link', 'delete', interfaceName, 'type', 'dummy'])
    },
  }
}

function addLine(name: string): string {
  const { family, text } = words(name)
  return family === 'ip'
    ? `address replace ${text} dev ${interfaceName} scope host\n`
    : `address replace ${text} dev ${interfaceName} nodad noprefixroute preferred_lft 0\n`
}

function words(name: string): { family: Family; text: string } {
  const [family = '', address = ''] = name.split(' ')
  return { family: family as Family, text: `${address}/${family === 'ip' ? 32 : 128}` }
}

/** @param json of `ip -json address show` */
export function addressesIn(json: string): Set<string> {
  const links = JSON.parse(json === '' ? '[]' : json) as { addr_info?: { local?: string }[] }[]
  const found = links
    .flatMap((link) => link.addr_info ?? [])
    .flatMap(({ local = '' }) => parseAddress(local) ?? [])
    .filter(({ text }) => !text.startsWith('fe80:'))
  return new Set(found.map(({ family, text }) => `${family} ${text}`))
}
