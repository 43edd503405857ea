/** A slow delete over the real SDK: the calls in their order, the mark that a later process reads, and nothing left. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { needsEmulator } from './account.ts'
import { scenes } from './scene.ts'
import { until } from './waiting.ts'

const sceneOf = scenes()
const drainSeconds = 8
const annotations = { 'roadstead.dev/delete-drain-seconds': String(drainSeconds) }

describe('a load balancer that drains', { skip: needsEmulator() }, () => {
  test('its listeners go, then it waits, whichever process runs, then everything goes', {
    timeout: 120_000,
  }, async (context) => {
    const { account, cluster, operator, quiet } = await sceneOf(context)
    const before = (await account.inventory()).lines
    const first = operator()
    await cluster.create(
      'web',
      {
        ports: [
          { name: 'http', port: 80 },
          { name: 'dns', port: 53, protocol: 'UDP' },
        ],
      },
      annotations,
    )
    await cluster.served('web')
    await quiet()
    account.forget()

    await cluster.remove('web')
    const { message } = await cluster.reason('web', 'Programmed', 'Draining')
    assert.match(message, /^Draining until \d{4}-\d\d-\d\dT[\d:]+Z/)
    const draining = await account.inventory()
    assert.deepEqual([draining.loadBalancers.length, draining.targetGroups.length], [1, 2])
    await first.stop()
    operator()
    await cluster.gone('web')
    const calls = account
      .record()
      .filter(({ status, code, mutating }) => mutating && status === 200 && code === undefined)
    const actions = calls.map(({ action }) => action)
    assert.deepEqual(actions.slice(0, 4), ['DeleteListener', 'DeleteListener', 'AddTags', 'DeleteLoadBalancer'])
    assert.ok(
      actions.slice(4).every((action) => /^(DeleteTargetGroup|DeleteSecurityGroup|Revoke)/.test(action)),
      String(actions),
    )
    const at = (action: string) => calls.find((call) => call.action === action)?.at ?? 0
    const waited = (at('DeleteLoadBalancer') - at('AddTags')) / 1000
    assert.ok(waited >= drainSeconds - 0.1 && waited <= drainSeconds + 5, `${waited} s between mark and deletion`)
    context.diagnostic(`${waited.toFixed(1)} s between mark and deletion, ${drainSeconds} s asked for`)
    await until('nothing left', async () => (await account.inventory()).lines.length === before.length)
    assert.deepEqual((await account.inventory()).lines, before)
  })
})
