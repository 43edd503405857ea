/** TCP and UDP on one port in virtual time: one listener for both, and what a person has to do where the API server gave two node ports. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { services } from '../../kube/resources.ts'
import { simulate } from './simulated.ts'

const tcp = { name: 'dns-tcp', port: 53 }
const udp = { name: 'dns', port: 53, protocol: 'UDP' as const }

describe('TCP and UDP on one port', () => {
  test('made together they share a listener, its targets and their node port', async () => {
    const world = await simulate()
    const operator = world.start()
    await world.create('web', { ports: [tcp, udp] })
    await world.until(async () => (await world.hostname('web')) !== undefined, 'an address')
    const { listeners, targetGroups, targets } = world.aws.account
    assert.deepEqual(
      listeners.values().map(({ protocol, port }) => `${protocol} ${port}`),
      ['TCP_UDP 53'],
    )
    assert.deepEqual([targetGroups.values().length, targets.values().length], [1, 3])
    await operator.stop()
  })

  test('UDP added later has a node port of its own: TCP is served on, and the command in the message mends it', async () => {
    const world = await simulate()
    const operator = world.start()
    await world.create('web', { ports: [tcp] })
    await world.until(async () => (await world.hostname('web')) !== undefined, 'an address')
    const name = await world.hostname('web')
    const { spec } = (await world.service('web')) ?? {}
    await world.patch('web', { spec: { ports: [...(spec?.ports ?? []), udp] } })
    await world.quiet()
    const told = (await world.condition('web', 'Accepted')) ?? ''
    assert.match(told, /^False NodePortsDiffer: .*kubectl patch service NAME --type=json -p '\[.*\]'/)
    const protocols = () => world.aws.account.listeners.values().map(({ protocol }) => protocol)
    assert.deepEqual([protocols(), await world.hostname('web')], [['TCP'], name])

    const body = JSON.parse(/-p '(\[.*\])'/.exec(told)?.[1] ?? '') as unknown
    await world.client.patch(services, { namespace: 'default', name: 'web' }, { type: 'json', body })
    await world.until(() => protocols()[0] === 'TCP_UDP', 'one listener for both', 60_000)
    await world.quiet()
    assert.match((await world.condition('web', 'Programmed')) ?? '', /^True/)
    assert.equal(await world.hostname('web'), name)
    await operator.stop()
  })
})
