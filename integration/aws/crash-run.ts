/**
 * The operator as a process, interrupted at each of its calls to AWS, reads included: SIGKILL when the call was carried out and not yet
 * answered, or the answer lost. The end must be that of an undisturbed run, in the account and in Kubernetes: no leak, no duplicate, nothing
 * of others touched. There it must stay, and the delete that follows must leave nothing.
 */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { needsEmulator } from './account.ts'
import { createWeb, scenarios } from './crash-scenarios.ts'
import type { Scenario } from './crash-scenarios.ts'
import { openCrashWorld } from './crash-world.ts'
import type { CrashWorld, Interruption } from './crash-world.ts'
import { difference } from './end-state.ts'
import { until } from './waiting.ts'

/** Far above any scenario's calls. */
const mostCalls = 80
/** Seconds for what takes a second on an idle machine. */
const patience = 90
const healthPauseMs = 5000
/** Scenes at a time: they wait more than they work. */
const lanes = 5

interface Ends {
  empty: readonly string[]
  /** Before the edit. */
  start: readonly string[]
  goal: readonly string[]
  mutatingCalls: number
}

/** For the head of a test file: every scenario with every interruption. */
export function crashMatrix(...interruptions: readonly Interruption[]): void {
  describe('interrupted at any call', { skip: needsEmulator(), concurrency: lanes }, () => {
    for (const [name, scenario] of Object.entries(scenarios))
      for (const how of interruptions)
        test(`${name}, ${how}: the end is that of an undisturbed run`, { timeout: 1_000_000 }, async (context) => {
          const since = performance.now()
          const world = await openCrashWorld()
          context.after(() => world.close())
          const ends = await undisturbed(world, scenario)
          const met: string[] = []
          for (let call = 1; ; call++) {
            assert.ok(call < mostCalls, 'there is no end to the calls')
            const action = await round(world, scenario, ends, how, call)
            if (action === undefined) break
            met.push(action)
          }
          assert.ok(met.length >= ends.mutatingCalls, `interrupted in ${met.join()}, of ${ends.mutatingCalls} mutating`)
          const seconds = Math.round((performance.now() - since) / 1000)
          context.diagnostic(`${name}, ${how} at each of ${met.length} calls, ${seconds} s: ${met.join(' ')}`)
        })
  })
}

/** What the ends look like when nobody disturbs; the account is as at first after it. */
async function undisturbed(world: CrashWorld, scenario: Scenario): Promise<Ends> {
  const { scene, eye } = world
  let ends: Ends = { empty: [], start: [], goal: [], mutatingCalls: 0 }
  await world.told('undisturbed', async () => {
    await world.ready()
    const empty = await eye.look()
    if (scenario.stands) {
      await createWeb(scene)
      await scene.cluster.reason('web', 'Ready', 'Ready', patience)
      await scene.quiet(healthPauseMs)
    }
    const start = await eye.look()
    scene.account.forget()
    await scenario.edit(scene)
    const goal = await settledEnd(world, scenario, start)
    ends = { empty, start, goal, mutatingCalls: scene.account.record().filter(({ mutating }) => mutating).length }
    await cleared(world, scenario, empty)
  })
  return ends
}

/** What stands once the edit is done and nothing has moved for longer than the operator takes to look at the health of targets again. */
async function settledEnd(
  { scene, eye }: CrashWorld,
  scenario: Scenario,
  start: readonly string[],
): Promise<readonly string[]> {
  let lines: readonly string[] = []
  const wanted = async () => scenario.wanted((lines = await eye.look()), scene)
  return await until(
    'what the edit asks for, to stay',
    async () => {
      if (!(await wanted())) return undefined
      const seen = lines
      await scene.quiet(healthPauseMs)
      return (await wanted()) && difference(lines, seen) === '' && lines
    },
    { seconds: patience, seen: () => difference(lines, start) },
  )
}

/** The action that was interrupted; undefined when the edit takes fewer calls. */
async function round(
  world: CrashWorld,
  scenario: Scenario,
  { empty, start, goal }: Ends,
  how: Interruption,
  call: number,
): Promise<string | undefined> {
  const { scene, eye } = world
  let action: string | undefined
  await world.told(`${how} at call ${call}`, async () => {
    scene.account.forget()
    if (scenario.stands) {
      await createWeb(scene)
      await eye.reaches(start, 'the state before the edit')
      await scene.quiet(300)
    }
    scene.account.forget()
    const armed = world.interrupt(how, call)
    await scenario.edit(scene)
    for (let settled = false; !settled; ) {
      await eye.reaches(goal, 'the end of an undisturbed run')
      const before = armed.met
      await world.ready()
      await scene.quiet()
      // Interrupted after the end was reached: once more.
      settled = armed.met === before
    }
    assert.equal(difference(inAccount(await eye.look()), inAccount(goal)), '', 'the account stays as it is')
    // On a slow machine an operator that has just started tells of the way it has yet to look.
    await eye.reaches(goal, 'the end, as it is told')
    action = armed.met
    armed.disarm()
    await cleared(world, scenario, empty)
  })
  return action
}

function inAccount(lines: readonly string[]): string[] {
  return lines.filter((line) => !/^(service|object) /.test(line))
}

async function cleared({ scene, eye }: CrashWorld, scenario: Scenario, empty: readonly string[]): Promise<void> {
  if (await scene.cluster.service('web')) await scene.cluster.remove('web')
  await scene.cluster.gone('web', patience)
  await scenario.undo?.(scene)
  await eye.reaches(empty, 'nothing of ours')
  await scene.quiet(300)
  assert.equal(difference(await eye.look(), empty), '', 'nothing comes back')
}
