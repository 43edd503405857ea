/**
 * `roadstead apiserver`: the API server alone, with no controllers. The kubeconfig is written when the server is ready, so that
 * its appearance can be waited for.
 */
import { plainText } from './json.ts'
import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import ipaddr from 'ipaddr.js'
import { type CommandIo, parseFlags, UsageError } from '../../kube/flags.ts'
import { writeKubeconfig } from './kubeconfig.ts'
import { type ListenAddress, startApiServer } from './server.ts'

const help = `Usage: roadstead apiserver --kubeconfig FILE [flags]

Starts a Kubernetes API server on this machine: objects, watches and validation, no controllers.

  --listen ADDRESS                     host:port or unix:PATH; may be repeated (default 127.0.0.1:0)
  --kubeconfig FILE                    written when the server is ready
  --service-cluster-ip-range CIDRS     one block, or one of each family (default 10.96.0.0/16,fd00:96::/112)
  --service-node-port-range FROM-TO    inclusive (default 30000-32767)
  --enable-faults                      serve the fault switches under /_faults
`

interface Settings {
  listen: ListenAddress[]
  kubeconfig: string
  serviceClusterIpRanges: string[]
  serviceNodePortRange: { from: number; to: number }
  enableFaults: boolean
}

export async function run(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parseFlags(argv, {
    help: { type: 'boolean', short: 'h' },
    listen: { type: 'string', multiple: true, default: ['127.0.0.1:0'] },
    kubeconfig: { type: 'string' },
    'service-cluster-ip-range': { type: 'string', default: '10.96.0.0/16,fd00:96::/112' },
    'service-node-port-range': { type: 'string', default: '30000-32767' },
    'enable-faults': { type: 'boolean', default: false },
  })
  if (values['help'] === true) {
    io.stdout(help)
    return 0
  }
  const settings = settingsOf(values)
  let server: Awaited<ReturnType<typeof startApiServer>>
  try {
    server = await startApiServer(settings)
  } catch (error) {
    io.stderr(`roadstead apiserver: cannot listen: ${messageOf(error)}\n`)
    return 1
  }
  try {
    await writeKubeconfig(settings.kubeconfig, server.url, 'roadstead')
    io.stdout(`API server ready on ${server.url}, kubeconfig in ${settings.kubeconfig}\n`)
    await aborted(io.signal)
    return 0
  } catch (error) {
    io.stderr(`roadstead apiserver: cannot write the kubeconfig: ${messageOf(error)}\n`)
    return 1
  } finally {
    await server.close()
  }
}

function settingsOf(values: Record<string, unknown>): Settings {
  const kubeconfig = plainText(values['kubeconfig'] ?? '')
  if (kubeconfig === '') throw new UsageError('--kubeconfig FILE is required')
  if (!isFolder(dirname(kubeconfig))) throw new UsageError(`--kubeconfig: no such folder: ${dirname(kubeconfig)}`)
  if (isFolder(kubeconfig)) throw new UsageError(`--kubeconfig: ${kubeconfig} is a folder`)
  const listen = (values['listen'] as string[]).map((address) => listenAddress(address))
  return {
    listen,
    kubeconfig,
    serviceClusterIpRanges: clusterIpRanges(String(values['service-cluster-ip-range'])),
    serviceNodePortRange: nodePortRange(String(values['service-node-port-range'])),
    enableFaults: values['enable-faults'] === true,
  }
}

export function listenAddress(text: string): ListenAddress {
  if (text.startsWith('unix:')) {
    const socketPath = text.slice('unix:'.length)
    if (socketPath === '') throw new UsageError('--listen unix: needs a path after the colon')
    return { socketPath }
  }
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  if (!match || port > 65535)
    throw new UsageError(`--listen must be host:port or unix:PATH, got ${JSON.stringify(text)}`)
  return { host: (match[1] ?? match[2]) as string, port }
}

/** One block, or an IPv4 and an IPv6 one in either order. Blocks larger than 2^20 addresses are refused, as kube-apiserver does. */
export function clusterIpRanges(text: string): string[] {
  const flag = '--service-cluster-ip-range'
  const ranges = text.split(',').map((range) => range.trim())
  if (ranges.length > 2) throw new UsageError(`${flag} takes one block, or one of each family`)
  const families = ranges.map((range) => {
    if (!ipaddr.isValidCIDR(range)) throw new UsageError(`${flag}: ${JSON.stringify(range)} is not a CIDR block`)
    const [address, prefix] = ipaddr.parseCIDR(range)
    const bits = (address.kind() === 'ipv4' ? 32 : 128) - prefix
    if (bits > 20) throw new UsageError(`${flag}: ${range} is too large, at most 20 bits`)
    if (bits < 3) throw new UsageError(`${flag}: ${range} is too small, at least 8 addresses`)
    return address.kind()
  })
  if (families.length === 2 && families[0] === families[1]) {
    throw new UsageError(`${flag}: the two blocks must be of different families`)
  }
  return ranges
}

export function nodePortRange(text: string): { from: number; to: number } {
  const match = /^(\d+)-(\d+)$/.exec(text)
  const from = Number(match?.[1])
  const to = Number(match?.[2])
  if (!match || from < 1 || to > 65535 || from > to) {
    throw new UsageError(`--service-node-port-range must be FROM-TO between 1 and 65535, got ${JSON.stringify(text)}`)
  }
  return { from, to }
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
