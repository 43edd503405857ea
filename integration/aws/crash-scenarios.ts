/** What the crash matrix interrupts: a state before, an edit, and how to undo it for the next round. */
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import { nodes } from '../../kube/resources.ts'
import type { Scene } from './scene.ts'

export interface Scenario {
  /** Whether Service `web` stands, provisioned, before the edit. */
  stands: boolean
  edit(scene: Scene): Promise<unknown>
  /** Besides the Service, which every round removes. */
  undo?(scene: Scene): Promise<unknown>
}

const ports = [{ name: 'http', port: 80, nodePort: 30080 }]
export const createWeb = ({ cluster }: Scene) => cluster.create('web', { ports })

const scheme = (value: string) => ({ type: 'merge' as const, body: { spec: { scheme: value } } })

/** The scene starts with one node less than it has instances. */
export const scenarios: Readonly<Record<string, Scenario>> = {
  create: { stands: false, edit: createWeb },
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
  },
  'policy flip': {
    stands: true,
    edit: ({ cluster }) =>
      cluster.patch('web', { spec: { externalTrafficPolicy: 'Local', healthCheckNodePort: 30999 } }),
  },
  'scheme change': {
    stands: true,
    edit: ({ cluster }) => cluster.client.patch(loadBalancerClasses, { name: 'public' }, scheme('internal')),
    undo: ({ cluster }) => cluster.client.patch(loadBalancerClasses, { name: 'public' }, scheme('public')),
  },
  'node change': {
    stands: true,
    async edit({ cluster, account }) {
      const machine = account.machines.at(-1)
      if (machine) await cluster.addNode('late', machine)
      await cluster.client.remove(nodes, { name: 'node-1' })
    },
    async undo({ cluster, account }) {
      const [machine] = account.machines
      await cluster.client.remove(nodes, { name: 'late' })
      if (machine) await cluster.addNode('node-1', machine)
    },
  },
  delete: { stands: true, edit: ({ cluster }) => cluster.remove('web') },
}
