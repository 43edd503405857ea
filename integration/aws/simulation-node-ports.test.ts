/**
 * After kills, lost replies and lag, without a further restart: within a drift interval exactly the node ports in use are open in the nodes'
 * security group, health check ports included.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { isApiError } from '../../kube/client.ts'
import { services } from '../../kube/resources.ts'
import { CloudError } from '../../providers/contract.ts'
import { realistic } from '../../providers/aws/fake/account.ts'
import { seededRandom } from '../operator/seeded-random.ts'
import { simulate } from './simulated.ts'
import type { Simulation } from './simulated.ts'

const driftMs = 600_000

/** `tcp/30080`, sorted. */
async function used({ client }: Simulation): Promise<string[]> {
  const { items } = await client.list(services, 'default')
  const ports = items
    .filter(({ spec, metadata }) => spec.type === 'LoadBalancer' && metadata.deletionTimestamp === undefined)
    .flatMap(({ spec }) => [
      ...(spec.ports ?? []).map(({ protocol = 'TCP', nodePort }) => `${protocol.toLowerCase()}/${nodePort}`),
      `tcp/${spec.externalTrafficPolicy === 'Local' ? spec.healthCheckNodePort : 10_256}`,
    ])
  return [...new Set(ports)].sort()
}

/** Every port that a rule of ours opens. */
function open({ aws, base }: Simulation): string[] {
  const rules = aws.account.securityGroups.get(base.nodeGroupId)?.rules ?? []
  return rules
    .flatMap(({ ipProtocol, fromPort = 0, toPort = 0 }) =>
      Array.from({ length: toPort - fromPort + 1 }, (_, index) => `${ipProtocol}/${fromPort + index}`),
    )
    .sort()
}

describe('node ports', () => {
  for (let seed = 1; seed <= 25; seed++) {
    test(`seed ${seed}: after chaos and one drift interval exactly those in use are open`, async (context) => {
      const random = seededRandom(seed * 7919)
      const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T
      const world = await simulate({ seed, aws: { timing: { ...realistic, provisioningMs: 20_000 } } })
      const port = () => ({ name: `p${Math.floor(random() * 1000)}`, port: pick([80, 443, 53]) })
      const edits: ((name: string) => Promise<unknown>)[] = [
        (name) => world.create(name),
        (name) => world.remove(name),
        (name) => world.patch(name, { spec: { ports: [port()] } }),
        (name) => world.patch(name, { spec: { ports: [{ ...port(), port: 81 }, port()] } }),
        (name) => world.patch(name, { spec: { externalTrafficPolicy: pick(['Local', 'Cluster']) } }),
        (name) => world.patch(name, { spec: { type: 'ClusterIP', externalTrafficPolicy: null } }),
        (name) => world.patch(name, { spec: { type: 'LoadBalancer', loadBalancerClass: 'roadstead.dev/aws' } }),
      ]
      const start = () =>
        world.start(random() < 0.5 ? { at: 1 + Math.floor(random() * 60), when: pick(['before', 'after']) } : undefined)
      let operator = start()
      for (let step = 0; step < 15; step++) {
        await pick(edits)(pick(['a', 'b', 'c', 'd'])).catch((error: unknown) => {
          if (!isApiError(error)) throw error
        })
        if (random() < 0.5) {
          const error = new CloudError('unavailable', 'lost', { code: 'ConnectionLost' })
          world.aws.faults.list.push({ error, times: 1, afterwards: random() < 0.7 })
        }
        await world.clock.advance(Math.floor(random() * 8) * 2500)
        if (operator.crashed) {
          await operator.stop()
          operator = start()
        }
      }
      world.aws.faults.list.splice(0)
      const goal = await used(world)
      const difference = async () => {
        if (operator.crashed) {
          await operator.stop()
          operator = world.start()
        }
        const now = open(world)
        return [...now.filter((one) => !goal.includes(one)), ...goal.filter((one) => !now.includes(one))]
      }
      const took = await world.until(
        async () => (await difference()).length === 0,
        'exactly the ports in use',
        driftMs,
        1000,
      )
      context.diagnostic(`${took / 1000} s`)
      await world.clock.advance(driftMs - took)
      assert.deepEqual(await difference(), [])
      await operator.stop()
    })
  }
})
