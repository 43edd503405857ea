/**
 * Outages of the cloud end, told as tests: addresses stay, conditions say so, what was asked meanwhile is done after it without a restart.
 * Time to recovery is bounded and reported.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Service } from '../../kube/objects.ts'
import type { Account } from './account.ts'
import { needsEmulator } from './account.ts'
import { hostnameOf } from './cluster.ts'
import { scenes } from './scene.ts'

/** From the end of an outage until everything asked meanwhile is done: the longest wait between two tries, and a call that still hangs. */
const recoverySeconds = 75

type Outage = 'nobody listens' | 'connections are cut' | 'every call is answered with 503' | 'no call is ever answered'

/** Begins an outage; answers the way to end it. */
const outages: Readonly<Record<Outage, (account: Account) => Promise<() => unknown>>> = {
  'nobody listens': async ({ door }) => {
    await door.shut()
    return door.open
  },
  'connections are cut': async ({ faults }) => faults.add({ effect: { kind: 'reset' } }),
  'every call is answered with 503': async ({ faults }) =>
    faults.add({ effect: { kind: 'error', code: 'ServiceUnavailable', message: 'down', status: 503 } }),
  'no call is ever answered': async ({ faults }) => faults.add({ effect: { kind: 'hang' } }),
}

function readyOf(service: Service | undefined) {
  return service?.status?.conditions?.find(({ type }) => type === 'roadstead.dev/Ready')
}

export function outageTests(kinds: readonly Outage[], outageSeconds: number): void {
  const sceneOf = scenes()
  describe('AWS cannot be reached', { skip: needsEmulator() }, () => {
    for (const how of kinds) {
      test(`${how} for ${outageSeconds} s: addresses stay, what was asked meanwhile is done after it`, async (context) => {
        const { account, cluster, operator, quiet } = await sceneOf(context)
        operator(['--drift-interval=2s'])
        for (const name of ['web', 'going']) await cluster.create(name)
        const hostname = await cluster.served('web')
        await cluster.served('going')
        await cluster.reason('web', 'Programmed', 'Programmed')
        await quiet()
        const ready = readyOf(await cluster.service('web'))
        const over = await outages[how](account)
        const ends = performance.now() + outageSeconds * 1000
        await cluster.create('new')
        await cluster.remove('going')
        const condition = await cluster.reason('new', 'Programmed', 'CloudUnavailable', 100)
        assert.equal(condition.status, 'False')
        // What stands is not called bad because nobody can ask about it.
        await cluster.reason('web', 'Programmed', 'CloudUnavailable', 100)
        assert.deepEqual(readyOf(await cluster.service('web')), ready)
        await pause(Math.max(0, ends - performance.now()))
        assert.equal(hostnameOf(await cluster.service('web')), hostname)
        assert.ok(await cluster.service('going'), 'held by its finalizer')
        for (const name of ['web', 'new']) {
          const told = (await cluster.eventsOf(name)).filter(({ type }) => type === 'Warning')
          assert.ok(told.length <= 1 && told.every(({ count = 1 }) => count === 1), JSON.stringify(told))
        }
        await over()
        const since = performance.now()
        await cluster.served('new', recoverySeconds)
        await cluster.gone('going', recoverySeconds)
        await cluster.reason('web', 'Programmed', 'Programmed', recoverySeconds)
        const tookSeconds = (performance.now() - since) / 1000
        context.diagnostic(`recovered ${tookSeconds.toFixed(1)} s after it`)
        assert.ok(tookSeconds <= recoverySeconds)
        assert.equal((await account.inventory()).loadBalancers.length, 2)
      })
    }
  })
}
