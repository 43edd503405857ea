/**
 * A small world around one balancer process: a client outside, the balancer's namespace as edge router, nodes inside on one bridge.
 *   client 198.51.100.10 -- lb 198.51.100.1 | 172.18.0.250 -- bridge -- node i 172.18.0.(10+i)
 * IPv6 likewise. Names carry the pid, so that test files may run side by side.
 */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { createHttpCloud } from '../../providers/local/http.ts'
import type { LocalCloud } from '../../providers/local/cloud.ts'
import {
  configure,
  createNamespaces,
  deleteNamespaces,
  ipBatch,
  listNamespaces,
  runIn,
  spawnIn,
} from '../../sandbox/nodes/netns.ts'
import { exitOf, identify } from '../../sandbox/nodes/processes.ts'
import { forwardingSysctls } from '../../sandbox/nodes/sysctls.ts'
import type { Agent } from './agent.ts'
import { startAgent } from './agent.ts'

export const nodePort = 31000
export const healthPort = 10256
const lb = 250

export interface Network {
  client: Agent
  /** By node name, node-1 and so on. */
  nodes: ReadonlyMap<string, Agent>
  cloud: LocalCloud
  stopBalancer(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>
  startBalancer(): Promise<void>
  /** Gives a node an address of its own, or takes it away. */
  addressOnNode(node: string, address: string, verb: 'add' | 'del'): Promise<void>
  /** A node's cable. */
  link(node: string, state: 'up' | 'down'): Promise<void>
  /** Text of a command in the balancer's namespace. */
  inBalancer(...argv: string[]): Promise<string>
  /** Another agent in the namespace of a node. */
  agentOn(node: string): Agent
  close(): Promise<void>
}

export function nodeAddresses(node: string): [string, string] {
  const host = 10 + Number(node.split('-')[1])
  return [`172.18.0.${host}`, `fd00:18::${host}`]
}

/** Removes what killed runs left; their processes died with them. */
async function sweep(): Promise<void> {
  const left = listNamespaces().filter((name) => {
    const pid = /^rs-bal(\d+)-/.exec(name)?.[1]
    return pid !== undefined && identify(Number(pid)) === undefined
  })
  await deleteNamespaces(left)
}

/** Namespaces, cables, agents and a running balancer; a failure on the way removes what was made. */
export async function startNetwork(nodeCount: number): Promise<Network> {
  const names = Array.from({ length: nodeCount }, (_, index) => `node-${index + 1}`)
  const ns = (role: string) => `rs-bal${process.pid}-${role}`
  const all = ['router', 'lb', 'client', ...names].map(ns)
  await sweep()
  await createNamespaces(all)
  const folder = await mkdtemp(join(tmpdir(), 'roadstead-balancer-'))
  const endpoint = `unix:${folder}/control.sock`
  const agents: Agent[] = []
  let balancer: ChildProcess | undefined
  try {
    await wire(names, ns)
    const client = agentOn('client')
    const nodes = new Map(names.map((name) => [name, agentOn(name)]))
    for (const [name, agent] of nodes) {
      await agent.call('serve', { name, port: nodePort, addresses: nodeAddresses(name) })
      await agent.call('serveHealth', { port: healthPort, status: 200 })
    }
    await startBalancer()
    const cloud = createHttpCloud(endpoint)
    return { client, nodes, cloud, startBalancer, stopBalancer, addressOnNode, link, inBalancer, agentOn, close }
  } catch (error) {
    await close()
    throw error
  }

  async function startBalancer(): Promise<void> {
    const main = fileURLToPath(new URL('../../providers/local/balancer/balancer-main.ts', import.meta.url))
    const pools = ['--pool', '203.0.113.0/24,2001:db8:113::/64']
    const flags = ['--listen', endpoint, ...pools, '--inside-interface', 'eth0', '--state', `${folder}/state.json`]
    const child = spawnIn(ns('lb'), [process.execPath, main, ...flags], { stdio: ['ignore', 'pipe', 'inherit'] })
    balancer = child
    const ended = exitOf(child).then(({ code }) => Promise.reject(new Error(`the balancer ended with ${code}`)))
    if (child.stdout) await Promise.race([once(createInterface({ input: child.stdout }), 'line'), ended])
    ended.catch(() => {})
  }

  async function stopBalancer(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = balancer
    balancer = undefined
    child?.kill(signal)
    if (child) await exitOf(child)
  }

  function agentOn(role: string): Agent {
    const agent = startAgent(ns(role))
    agents.push(agent)
    return agent
  }

  async function addressOnNode(node: string, address: string, verb: 'add' | 'del'): Promise<void> {
    const prefix = address.includes(':') ? '128' : '32'
    await ipBatch([`addr ${verb} ${address}/${prefix} dev lo`], ns(node))
  }

  async function link(node: string, state: 'up' | 'down'): Promise<void> {
    await ipBatch([`link set to-${node} ${state}`], ns('router'))
  }

  async function inBalancer(...argv: string[]): Promise<string> {
    const { stdout, stderr, code } = await runIn(ns('lb'), argv)
    if (code !== 0) throw new Error(`${argv.join(' ')}: ${stderr}`)
    return stdout
  }

  async function close(): Promise<void> {
    await stopBalancer('SIGTERM')
    await Promise.all(agents.map((agent) => agent.stop()))
    await deleteNamespaces(all)
    await rm(folder, { recursive: true, force: true })
  }
}

async function wire(nodes: readonly string[], ns: (role: string) => string): Promise<void> {
  const cables = ['lb', ...nodes].flatMap((role) => [
    `link add to-${role} type veth peer name eth0 netns ${ns(role)}`,
    `link set to-${role} master br0 up`,
  ])
  await configure(ns('router'), { ip: ['link add br0 type bridge', 'link set br0 up', ...cables] })
  await configure(ns('lb'), {
    sysctls: forwardingSysctls,
    ip: [
      ...inside(lb),
      `link add outside type veth peer name eth0 netns ${ns('client')}`,
      'addr add 198.51.100.1/24 dev outside',
      'addr add 2001:db8:64::1/64 dev outside nodad',
      'link set outside up',
    ],
  })
  await configure(ns('client'), {
    ip: [
      'addr add 198.51.100.10/24 dev eth0',
      'addr add 2001:db8:64::10/64 dev eth0 nodad',
      'link set eth0 up',
      'route add default via 198.51.100.1',
      'route add default via 2001:db8:64::1',
    ],
  })
  for (const name of nodes) {
    const host = 10 + Number(name.split('-')[1])
    const routes = [`route add default via 172.18.0.${lb}`, `route add default via fd00:18::${lb}`]
    await configure(ns(name), { ip: [...inside(host), ...routes] })
  }
}

function inside(host: number): string[] {
  return [`addr add 172.18.0.${host}/24 dev eth0`, `addr add fd00:18::${host}/64 dev eth0 nodad`, 'link set eth0 up']
}
