/**
 * What a crash run works in: a scene of its own with an emulator of its own, things of others in the account, and one operator process at a
 * time that is started again when it was killed. Tells its whole story when something fails.
 */
import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { inspect } from 'node:util'
import { startEmulator } from '../../localstack/emulator.ts'
import type { CallRecord } from '../../localstack/journal.ts'
import type { Eye } from './end-state.ts'
import { eyeOn } from './end-state.ts'
import type { OperatorProcess } from './operator.ts'
import type { Scene } from './scene.ts'
import { openScene } from './scene.ts'
import { addStrangers } from './strangers.ts'
import { until } from './waiting.ts'

export type Interruption = 'SIGKILL' | 'lost reply'

export interface CrashWorld {
  scene: Scene
  eye: Eye
  /** The `nth` call from now on is interrupted. */
  interrupt: (how: Interruption, nth: number) => Armed
  /** The operator, also one that is being started again, has full caches. */
  ready: () => Promise<void>
  /** Does the work; when it fails, the error tells the calls since the last `forget` and the end of the operators' logs. */
  told: (what: string, work: () => Promise<void>) => Promise<void>
  close: () => Promise<void>
}

interface Armed {
  /** The call came and was interrupted; its action. */
  readonly met: string | undefined
  disarm: () => void
}

export async function openCrashWorld(): Promise<CrashWorld> {
  const emulator = await startEmulator()
  const scene = await openScene(emulator, { machines: 4, nodes: 3, compileCache: true })
  const { account } = scene
  await addStrangers(account)
  const healthPort = await freePort()
  const start = () => scene.process([`--health-bind-address=127.0.0.1:${healthPort}`, '--node-window=200ms'])
  const processes: OperatorProcess[] = [start()]
  const current = () => processes.at(-1) as OperatorProcess
  let restart: Promise<void> = Promise.resolve()
  const alive = () => {
    if (current().ended) throw new Error('the operator ended by itself')
  }
  const killAndStart = async () => {
    await current().kill()
    processes.push(start())
  }
  return {
    scene,
    eye: eyeOn(scene, 'web', alive),
    interrupt(how, nth) {
      let met: string | undefined
      const disarm =
        how === 'lost reply'
          ? account.faults.add({ effect: { kind: 'lost-reply' }, skip: nth - 1, times: 1 })
          : account.beforeAnswer(
              nth,
              async (record) => {
                met = record.action
                await (restart = killAndStart())
              },
              'any',
            )
      return {
        disarm,
        get met() {
          return met ?? account.record().find(({ status }) => status === 0)?.action
        },
      }
    },
    async ready() {
      await restart
      await until('an operator with full caches', () => answersOk(`http://127.0.0.1:${healthPort}/readyz`, alive))
    },
    async told(what, work) {
      try {
        await work()
      } catch (error) {
        const logs = processes.slice(-2).map((each) => `log of operator ${each.pid}:\n${tail(each.log(), 30)}`)
        const story = [`${what}: ${message(error)}`, 'calls:', ...account.record().map(callLine), ...logs]
        throw new Error(story.join('\n'), { cause: error })
      }
    },
    async close() {
      await scene.close()
      await emulator.close()
    },
  }
}

async function answersOk(url: string, alive: () => void): Promise<boolean> {
  alive()
  return await fetch(url).then(
    (response) => response.ok,
    () => false,
  )
}

function message(error: unknown): string {
  return error instanceof Error ? error.message : inspect(error)
}

function callLine({ at, ms, action, status, code, parameters }: CallRecord): string {
  const outcome = status === 0 ? 'cut' : (code ?? status ?? 'no answer')
  const subject = Object.entries(parameters).map(([name, value]) => `${name}=${value}`)
  return `  ${new Date(at).toISOString().slice(17, 23)} ${action} ${outcome} ${ms ?? '-'} ms ${subject.join(' ').slice(0, 160)}`
}

function tail(text: string, lines: number): string {
  return text.split('\n').slice(-lines).join('\n')
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
