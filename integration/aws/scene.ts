/** One account and one cluster with Nodes for the account's instances, an operator between them, and the end of it all. */
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { LoadBalancerClass } from '../../crds/load-balancer-class.ts'
import type { Emulator } from '../../localstack/emulator.ts'
import { projectRoot } from '../../scripts/source-files.ts'
import type { Account, AccountOptions } from './account.ts'
import { sharedEmulator, startAccount } from './account.ts'
import type { Cluster } from './cluster.ts'
import { startCluster } from './cluster.ts'
import type { OperatorProcess, RunningOperator } from './operator.ts'
import { startInProcess, startProcess } from './operator.ts'
import { untilQuiet } from './waiting.ts'

const compileCache = join(projectRoot, '.cache', 'operator-code')

export interface SceneOptions extends AccountOptions {
  classes?: readonly LoadBalancerClass[]
  /** Nodes to make at the start, of the account's instances; default: all of them. */
  nodes?: number
  /** Operators that are processes share compiled code, in this folder or a common one: half the time of a start. */
  compileCache?: boolean | string
}

export interface Scene {
  account: Account
  cluster: Cluster
  /** An operator in this process; the scene stops it at its end. */
  operator: (flags?: readonly string[]) => RunningOperator
  /** One as a process of its own. */
  process: (flags?: readonly string[]) => OperatorProcess
  /** No call to the cloud for so long. */
  quiet: (ms?: number) => Promise<void>
  close: () => Promise<void>
}

export async function openScene(emulator: Emulator, options: SceneOptions = {}): Promise<Scene> {
  const account = await startAccount(emulator, options)
  const cluster = await startCluster(options.classes)
  const running = new Set<{ stop(): Promise<void> }>()
  for (const [index, machine] of account.machines.slice(0, options.nodes ?? account.machines.length).entries())
    await cluster.addNode(nodeName(index), machine)
  const operatorOptions = (flags: readonly string[]) => ({
    kubeconfig: cluster.kubeconfig,
    env: account.env,
    flags,
    ...(options.compileCache === undefined || options.compileCache === false
      ? {}
      : { compileCache: options.compileCache === true ? compileCache : options.compileCache }),
  })
  return {
    account,
    cluster,
    operator(flags = []) {
      const operator = startInProcess(operatorOptions(flags))
      const stop = async () => {
        running.delete(entry)
        await operator.stop()
      }
      const entry = { ...operator, stop }
      running.add(entry)
      return entry
    },
    process(flags = []) {
      const operator = startProcess(operatorOptions(flags))
      running.add({ stop: async () => (operator.ended ? undefined : operator.kill()) })
      return operator
    },
    quiet: (ms = 700) => untilQuiet(() => account.calls(), ms),
    async close() {
      for (const each of running) await each.stop()
      await cluster.close()
      await account.close()
    },
  }
}

/**
 * For the head of a test file: opens scenes that end with their test, on one emulator that is started by the first of them and ends
 * with the file.
 */
export function scenes(): (context: TestContext, options?: SceneOptions) => Promise<Scene> {
  const emulator = sharedEmulator()
  return async (context, options) => {
    const scene = await openScene(await emulator(), options)
    context.after(() => scene.close())
    return scene
  }
}

export function nodeName(index: number): string {
  return `node-${index + 1}`
}
