/** The proxy as the image starts it (Containerfile: Node's flags, compiled code), in a node's namespace, and what the kernel says of it. */
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { imageNodeFlags } from '../../integration/aws/operator.ts'
import { followProxy } from '../../integration/proxy/proxy-output.ts'
import { spawnIn } from '../../sandbox/nodes/netns.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import type { NodePlace } from '../../sandbox/nodes/topology.ts'
import { now } from './connecting.ts'
import { endpointNetwork } from './objects.ts'

export interface ProxyProcess {
  /** When it was started. */
  readonly startedAt: number
  /** Rejects when it ends before. */
  readonly ready: Promise<void>
  /** Seconds of CPU so far, user and system. */
  cpuSeconds(): number
  residentMiB(): number
  /** The most that was resident so far. */
  peakMiB(): number
  kill(): Promise<void>
  log(): string
}

export interface ProxyProcessOptions {
  place: NodePlace
  kubeconfig: string
  compileCache: string
  children: ChildProcess[]
}

const main = new URL('../../cli/main.ts', import.meta.url).pathname
/** USER_HZ, which is 100 on every architecture Node runs on. */
const ticksPerSecond = 100

export function startProxyProcess(options: ProxyProcessOptions): ProxyProcess {
  const { place, kubeconfig, compileCache, children } = options
  const startedAt = now()
  const child = spawnIn(
    place.namespace,
    [
      process.execPath,
      ...imageNodeFlags,
      main,
      'proxy',
      `--kubeconfig=${kubeconfig}`,
      `--hostname-override=${place.name}`,
      `--cluster-cidr=10.244.0.0/16,${endpointNetwork}`,
    ],
    { env: { ...imageEnv(), PATH: process.env['PATH'], HOME: '/nonexistent', NODE_COMPILE_CACHE: compileCache } },
  )
  children.push(child)
  const { ready, log } = followProxy(child)
  ready.catch(() => {})
  const status = (field: string): number => {
    const text = readFileSync(`/proc/${child.pid}/status`, 'utf8')
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) / 1024
  }
  return {
    startedAt,
    ready,
    cpuSeconds() {
      const text = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
      const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
      return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
    },
    residentMiB: () => status('VmRSS'),
    peakMiB: () => status('VmHWM'),
    async kill() {
      child.kill('SIGKILL')
      await exitOf(child)
      children.splice(children.indexOf(child), 1)
    },
    log,
  }
}

/** What the image sets for the C library. */
function imageEnv(): Record<string, string> {
  const text = readFileSync(new URL('../../Containerfile', import.meta.url), 'utf8')
  return Object.fromEntries(
    [...text.matchAll(/\b(MALLOC_\w+)=(\S+)/g)].map(([, name = '', value = '']) => [name, value]),
  )
}
