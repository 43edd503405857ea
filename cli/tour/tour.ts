/**
 * `roadstead tour`: the story of Roadstead without a person. Starts a cluster of its own, runs every step with real connections, prints
 * a line a step with its figures. Exit code 0 only if every step held. A step that fails does not end the tour; the steps after it still run.
 */
import { writeFileSync } from 'node:fs'
import { systemClock } from '../../kube/clock.ts'
import { type CommandIo, parseFlags, UsageError } from '../../kube/flags.ts'
import { silent } from '../../kube/log.ts'
import { startCluster } from '../../sandbox/cluster.ts'
import { ownRunFolder } from '../../sandbox/nodes/own-run-folder.ts'
import { elsewhere, roadsteadCommand } from '../user-namespace.ts'
import { namespaceProber } from './namespace-prober.ts'
import { address } from './steps/address.ts'
import { goodbye } from './steps/goodbye.ts'
import { inside } from './steps/inside.ts'
import { localPolicy } from './steps/local-policy.ts'
import { operatorKilled } from './steps/operator-killed.ts'
import { spread } from './steps/spread.ts'
import { nodeRemoval, policyFlip, proxyRestart, rollout } from './steps/under-load.ts'
import { withoutNodePorts } from './steps/without-node-ports.ts'
import { createWorld, type Figures, type Step } from './world.ts'

const steps: readonly Step[] = [
  address,
  spread,
  localPolicy,
  policyFlip,
  rollout,
  nodeRemoval,
  operatorKilled,
  proxyRestart,
  inside,
  withoutNodePorts,
  goodbye,
]

const help = `Usage: roadstead tour [flags]     (npm run tour -- [flags])

Starts a cluster of its own and checks every promise with real connections. Exit code 0 only if every step held.

      --json FILE   write {ok, steps: [{name, ok, figures}]}
`

export interface TourStep {
  name: string
  ok: boolean
  figures: Figures
  error?: string
}

export interface TourResult {
  ok: boolean
  steps: TourStep[]
}

export async function run(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parseFlags(argv, {
    help: { type: 'boolean', short: 'h' },
    json: { type: 'string' },
  })
  if (values['help'] === true) {
    io.stdout(help)
    return 0
  }
  const ended = await elsewhere(['tour', ...argv], io)
  if (ended !== undefined) return ended
  const name = `tour-${process.pid}`
  const result = await tour(name, ownRunFolder(name), io)
  if (values['json'] !== undefined) writeResult(String(values['json']), result)
  return result.ok ? 0 : 1
}

async function tour(name: string, folder: string, io: CommandIo): Promise<TourResult> {
  const done: TourStep[] = []
  const begin = systemClock.now()
  const cluster = await startCluster({
    name,
    folder,
    nodes: 3,
    apiPort: 0,
    roadstead: roadsteadCommand,
    env: io.env,
    clock: systemClock,
    random: Math.random,
    log: silent,
    say: (line) => io.stdout(`   ${line}\n`),
  })
  try {
    const world = createWorld(cluster, namespaceProber(cluster, io.env), io.signal)
    for (const [index, step] of steps.entries()) {
      if (io.signal.aborted) break
      const outcome = await runStep(step, () => step.run(world))
      done.push(outcome)
      io.stdout(`${stepLine(index + 1, outcome)}\n`)
    }
  } finally {
    await cluster.stop()
  }
  const ok = done.length === steps.length && done.every((step) => step.ok)
  const seconds = Math.round((systemClock.now() - begin) / 1000)
  io.stdout(
    `${ok ? 'Every step held' : 'The tour FAILED'}: ${done.filter((step) => step.ok).length} of ${steps.length} steps, ${seconds} s\n`,
  )
  return { ok, steps: done }
}

async function runStep(step: Step, work: () => Promise<Figures>): Promise<TourStep> {
  const start = systemClock.now()
  const seconds = () => Math.round((systemClock.now() - start) / 100) / 10
  try {
    const figures = await work()
    return { name: step.name, ok: true, figures: { ...figures, seconds: seconds() } }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { name: step.name, ok: false, figures: { seconds: seconds() }, error: message }
  }
}

function stepLine(number: number, { name, ok, figures, error }: TourStep): string {
  const text = Object.entries(figures)
    .map(([key, value]) => `${key} ${typeof value === 'number' ? Math.round(value * 100) / 100 : value}`)
    .join(', ')
  return `${ok ? '✔' : '✘'} ${String(number).padStart(2)}. ${name}\n      ${text}${error === undefined ? '' : `\n      ${error}`}`
}

function writeResult(file: string, result: TourResult): void {
  try {
    writeFileSync(file, `${JSON.stringify(result, null, 2)}\n`)
  } catch (error) {
    throw new UsageError(`--json: cannot write ${file}`, { cause: error })
  }
}
