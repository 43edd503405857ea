/**
 * The answer of each call gets lost, reads included, and so does each request before it is carried out; the operator lives on. The end is
 * that of an undisturbed run, and nobody is told of what passed by itself.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { needsEmulator } from './account.ts'
import { createWeb, scenarios } from './crash-scenarios.ts'
import type { Scenario } from './crash-scenarios.ts'
import type { Scene } from './scene.ts'
import { scenes } from './scene.ts'
import { until } from './waiting.ts'

const mostCalls = 60

const sceneOf = scenes()

describe('the answer of any call is lost', { skip: needsEmulator() }, () => {
  for (const [name, scenario] of Object.entries(scenarios)) {
    test(`${name}: the end is the same`, { timeout: 600_000 }, async (context) => {
      const scene = await sceneOf(context, { machines: 4, nodes: 3 })
      const { account, cluster } = scene
      scene.operator()
      await scene.quiet()
      const empty = (await account.inventory()).lines
      let goal: readonly string[] = []
      // Round 0 is undisturbed; each later one loses the answer of its call.
      for (let call = 0; ; call++) {
        assert.ok(call < mostCalls, 'there is no end to the calls')
        await prepare(scene, scenario)
        const start = account.calls()
        let met = false
        const disarm =
          call === 0 ? () => {} : account.faults.add({ effect: { kind: 'lost-reply' }, skip: call - 1, times: 1 })
        await scenario.edit(scene)
        if (call === 0) {
          await until('calls', () => account.calls() > start)
          await scene.quiet(1500)
          goal = (await account.inventory()).lines
        } else {
          await same(scene, goal, `without the answer of call ${call}`)
          await scene.quiet(500)
          met = account.calls() - start >= call
          assert.deepEqual((await account.inventory()).lines, goal, `quiet without the answer of call ${call}`)
        }
        disarm()
        if (await cluster.service('web')) await cluster.remove('web')
        await cluster.gone('web')
        await scenario.undo?.(scene)
        // Longer than the window in which changes of nodes are collected.
        await scene.quiet(scenario.undo ? 1500 : 300)
        assert.deepEqual((await account.inventory()).lines, empty, `after call ${call}`)
        if (call > 0 && !met) {
          context.diagnostic(`${name}: ${call - 1} answers lost, one at a time`)
          break
        }
      }
    })
  }
})

async function prepare(scene: Scene, { stands }: Scenario): Promise<void> {
  if (!stands) return
  await createWeb(scene)
  await scene.cluster.served('web')
  await scene.cluster.reason('web', 'Programmed', 'Programmed')
  await scene.quiet(400)
}

async function same({ account }: Scene, goal: readonly string[], what: string): Promise<void> {
  let lines: readonly string[] = []
  const check = async () => JSON.stringify((lines = (await account.inventory()).lines)) === JSON.stringify(goal)
  await until(what, check, { seconds: 60 }).catch(() => assert.deepEqual(lines, goal, what))
}
