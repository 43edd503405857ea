/**
 * The operator as a process, killed (SIGKILL) inside each of its mutating calls: AWS has done it, the answer never came. The next one must
 * reach the end of an undisturbed run: no leak, no duplicate, nothing of others touched. And then it must be quiet.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { needsEmulator } from './account.ts'
import { createWeb, scenarios } from './crash-scenarios.ts'
import type { Scenario } from './crash-scenarios.ts'
import type { OperatorProcess } from './operator.ts'
import type { Scene } from './scene.ts'
import { scenes } from './scene.ts'
import { until } from './waiting.ts'

const mostCalls = 40

/** For the head of a test file: the matrix of the scenarios with these names. */
export function crashMatrix(...names: readonly string[]): void {
  const sceneOf = scenes()
  describe('killed inside any call and started again', { skip: needsEmulator() }, () => {
    for (const [name, scenario] of Object.entries(scenarios).filter(([each]) => names.includes(each))) {
      test(`${name}: the end is the same`, { timeout: 600_000 }, async (context) => {
        const scene = await sceneOf(context, { machines: 4, nodes: 3 })
        const empty = await linesOf(scene)
        let operator = scene.process()
        const goal = await undisturbed(scene, scenario, empty)
        for (let call = 1; ; call++) {
          assert.ok(call < mostCalls, 'there is no end to the calls')
          await before(scene, scenario)
          const killed = killAt(scene, call, () => operator)
          await scenario.edit(scene)
          const landed = await Promise.race([killed.done, same(scene, goal).then(() => false)])
          if (!landed) {
            // The edit is done in fewer calls; the fault was never met.
            killed.disarm()
            context.diagnostic(`${name}: killed inside each of ${call - 1} mutating calls`)
            assert.ok(call > 1, 'the scenario makes calls')
            break
          }
          operator = scene.process()
          await same(scene, goal, `killed in call ${call}`).catch((error: unknown) => {
            context.diagnostic(operator.log())
            throw error
          })
          await scene.quiet()
          assert.deepEqual(await linesOf(scene), goal, `quiet after call ${call}`)
          await after(scene, scenario, empty, `killed in call ${call}, then deleted`)
        }
      })
    }
  })
}

/** The end of a run without a crash; the account is empty again after it. */
async function undisturbed(scene: Scene, scenario: Scenario, empty: readonly string[]): Promise<readonly string[]> {
  await before(scene, scenario)
  const start = await linesOf(scene)
  await scenario.edit(scene)
  await until('a change', async () => JSON.stringify(await linesOf(scene)) !== JSON.stringify(start))
  await scene.quiet(1500)
  const goal = await linesOf(scene)
  await after(scene, scenario, empty, 'deleted')
  return goal
}

async function before(scene: Scene, { stands }: Scenario): Promise<void> {
  if (!stands) return
  await createWeb(scene)
  await scene.cluster.served('web')
  await scene.cluster.reason('web', 'Programmed', 'Programmed')
  await scene.quiet(400)
}

async function after(scene: Scene, scenario: Scenario, empty: readonly string[], what: string): Promise<void> {
  if (await scene.cluster.service('web')) await scene.cluster.remove('web')
  await scene.cluster.gone('web')
  await scenario.undo?.(scene)
  // Longer than the window in which changes of nodes are collected.
  await scene.quiet(scenario.undo ? 1500 : 300)
  assert.deepEqual(await linesOf(scene), empty, what)
}

function killAt(scene: Scene, call: number, victim: () => OperatorProcess): { done: Promise<true>; disarm(): void } {
  let done: () => void = () => {}
  const happened = new Promise<true>((resolve) => (done = () => resolve(true)))
  const disarm = scene.account.beforeAnswer(call, async () => {
    await victim().kill()
    done()
  })
  return { done: happened, disarm }
}

async function same(scene: Scene, goal: readonly string[], what = 'the wanted account'): Promise<void> {
  let lines: readonly string[] = []
  const check = async () => JSON.stringify((lines = await linesOf(scene))) === JSON.stringify(goal)
  await until(what, check, { seconds: 60 }).catch(() => assert.deepEqual(lines, goal, what))
}

async function linesOf({ account }: Scene): Promise<readonly string[]> {
  return (await account.inventory()).lines
}
