/** What the crash matrix interrupts: a state before, an edit, and how to undo it for the next round. */
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { nodes } from '../../kube/resources.ts'
import type { Machine } from './cluster.ts'
import type { Scene } from './scene.ts'

export interface Scenario {
  /** Whether Service `web` stands, provisioned, before the edit. */
  stands: boolean
  edit(scene: Scene): Promise<unknown>
  /** Whether the lines of an end show what the edit asks for. */
  wanted(lines: readonly string[], scene: Scene): boolean
  /** Besides the Service, which every round removes. */
  undo?(scene: Scene): Promise<unknown>
}

const ports = [{ name: 'http', port: 80, nodePort: 30080 }]
export const createWeb = ({ cluster }: Scene) => cluster.create('web', { ports })

/** Not the neighbour's, whose Service has the same name. */
const ours = /default\/web:(?!theirs)/
const has = (lines: readonly string[], ...patterns: RegExp[]) =>
  patterns.every((pattern) => lines.some((line) => ours.test(line) && pattern.test(line)))
/** In Kubernetes: told as ready for the spec as it stands. */
const ready = (lines: readonly string[]) =>
  lines.includes('service condition roadstead.dev/Ready True Ready') &&
  lines.some((line) => line.startsWith('object ready True'))

const targetsOf = (count: number) => new RegExp(`^tg .* targets ([^, ]+,){${count - 1}}[^, ]+$`)
const target = (machine: Machine | undefined) => new RegExp(`^tg .* targets .*${machine?.instanceId}:`)

const scheme = (value: string) => ({ type: 'merge' as const, body: { spec: { scheme: value } } })

/** The scene starts with one node less than it has instances. Those with the most calls come first, so that none is waited for at the end. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  'scheme change': {
    stands: true,
    edit: ({ cluster }) => cluster.client.patch(loadBalancerClasses, { name: 'public' }, scheme('internal')),
    wanted: (lines) =>
      ready(lines) &&
      has(lines, /^lb .* internal /) &&
      !has(lines, /^lb .* internet-facing /) &&
      lines.includes('service address of the internal load balancer'),
    undo: ({ cluster }) => cluster.client.patch(loadBalancerClasses, { name: 'public' }, scheme('public')),
  },
  'port edit': {
    stands: true,
    edit: ({ cluster }) =>
      cluster.patch('web', {
        spec: {
          ports: [
            { name: 'http', port: 8443, nodePort: 30080 },
            { name: 'dns', port: 53, protocol: 'UDP', nodePort: 30053 },
          ],
        },
      }),
    wanted: (lines) =>
      ready(lines) &&
      has(lines, /^listener .* TCP 8443 /, /^listener .* UDP 53 /, /^rule .* 8443-8443 /, /^rule .* udp 53-53 /) &&
      !has(lines, /^listener .* TCP 80 /),
  },
  create: {
    stands: false,
    edit: createWeb,
    wanted: (lines) => ready(lines) && has(lines, /^lb .* internet-facing /, /^listener .* TCP 80 /, targetsOf(3)),
  },
  delete: { stands: true, edit: ({ cluster }) => cluster.remove('web'), wanted: (lines) => !has(lines, ours) },
  'node change': {
    stands: true,
    async edit({ cluster, account }) {
      const machine = account.machines.at(-1)
      if (machine) await cluster.addNode('late', machine)
      await cluster.client.remove(nodes, { name: 'node-1' })
    },
    wanted: (lines, { account: { machines } }) =>
      ready(lines) && has(lines, targetsOf(3), target(machines.at(-1))) && !has(lines, target(machines[0])),
    async undo({ cluster, account }) {
      const [machine] = account.machines
      await cluster.client.remove(nodes, { name: 'late' })
      if (machine) await cluster.addNode('node-1', machine)
    },
  },
  'policy flip': {
    stands: true,
    edit: ({ cluster }) =>
      cluster.patch('web', { spec: { externalTrafficPolicy: 'Local', healthCheckNodePort: 30999 } }),
    wanted: (lines) =>
      ready(lines) &&
      has(lines, /^tg .* HTTP 30999 /) &&
      lines.includes('service condition roadstead.dev/ExternalTrafficPolicy True Local'),
  },
}
