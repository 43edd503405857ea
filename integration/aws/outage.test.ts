/**
 * The cloud end cannot be reached for a while: connections refused, cut, or never answered. Addresses stay, the condition says so, and
 * everything goes on without a restart. ROADSTEAD_OUTAGE_SECONDS sets how long (default 8; two minutes is 120).
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Account } from './account.ts'
import { needsEmulator } from './account.ts'
import { hostnameOf } from './cluster.ts'
import { scenes } from './scene.ts'

const outageSeconds = Number(process.env['ROADSTEAD_OUTAGE_SECONDS'] ?? 8)

const sceneOf = scenes()

/** Begins an outage; answers the way to end it. */
const outages: Readonly<Record<string, (account: Account) => Promise<() => unknown>>> = {
  'nobody listens': async ({ door }) => {
    await door.shut()
    return door.open
  },
  'connections are cut': async ({ faults }) => faults.add({ effect: { kind: 'reset' } }),
  'every call is answered with 503': async ({ faults }) =>
    faults.add({ effect: { kind: 'error', code: 'ServiceUnavailable', message: 'down', status: 503 } }),
}

describe('AWS cannot be reached', { skip: needsEmulator() }, () => {
  for (const [how, fault] of Object.entries(outages)) {
    test(`${how} for ${outageSeconds} s: addresses stay, what was asked meanwhile is done after it`, async (context) => {
      const { account, cluster, operator, quiet } = await sceneOf(context)
      operator(['--drift-interval=2s'])
      for (const name of ['web', 'going']) await cluster.create(name)
      const hostname = await cluster.served('web')
      await cluster.served('going')
      await quiet()
      const over = await fault(account)
      await cluster.create('new')
      await cluster.remove('going')
      await cluster.reason('new', 'Programmed', 'CloudUnavailable', 30)
      await pause(outageSeconds * 1000)
      assert.equal(hostnameOf(await cluster.service('web')), hostname)
      assert.ok(await cluster.service('going'), 'held by its finalizer')
      await over()
      await cluster.served('new', 90)
      await cluster.gone('going', 90)
      await cluster.reason('web', 'Programmed', 'Programmed', 90)
      assert.equal((await account.inventory()).loadBalancers.length, 2)
    })
  }
})
