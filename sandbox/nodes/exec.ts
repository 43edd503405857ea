/**
 * Runs a command where a part of a running sandbox lives: the client outside, a node, the balancer, or a Pod with its resolv.conf and
 * host name. Works from any process of the same user, also from outside the user namespace that an ordinary user's sandbox has.
 */
import { spawn } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { UsageError } from '../../kube/flags.ts'
import { enter, type EnterOptions } from './netns.ts'
import { readPodRecords } from './pods/record.ts'
import { exitOf, isAlive, type ProcessIdentity } from './processes.ts'
import { namespaceOf } from './topology.ts'
import { enterUserNamespaceOf } from './userns.ts'

/** What `roadstead up` names its sandbox unless told otherwise. */
const defaultInstance = 'sandbox'
const roles = /^(router|client|lb|cp|node-\d+)$/

export interface ExecOptions {
  /** Folder of all run folders: `<tmp>/roadstead-<uid>`. */
  base: string
  /** undefined: the one named `sandbox`, or the only one that runs. */
  instance?: string | undefined
  /** `client`, `lb`, `cp`, `router`, `node-<i>`, `<pod>`, `pod/<pod>` or `pod/<namespace>/<pod>`. */
  target: string
  argv: readonly string[]
  env: Readonly<Record<string, string | undefined>>
}

interface ExecPlace extends EnterOptions {
  netns: string
}

/** Runs `argv` on the caller's terminal and resolves with its exit code. Throws UsageError when there is no such place. */
export async function execInSandbox(options: ExecOptions): Promise<number> {
  const line = execCommand(options)
  const [file = '', ...args] = line
  const child = spawn(file, args, { stdio: 'inherit', env: { ...options.env } })
  child.on('error', () => {})
  const { code } = await exitOf(child)
  return code ?? 1
}

/** The command line that execInSandbox runs; others start it with pipes. Throws UsageError. */
export function execCommand({ base, instance, target, argv }: ExecOptions): string[] {
  if (argv.length === 0) throw new UsageError('nothing to run: give a command after --')
  const running = runningInstance(base, instance)
  const folder = join(base, running.name)
  const { netns, ...place } = findPlace(folder, running.name, target)
  return [...enterUserNamespaceOf(running.owner.pid), ...enter(netns, argv, place)]
}

/** Instances whose owner lives, with the run folders below `base`. */
export function runningInstances(base: string): { name: string; owner: ProcessIdentity }[] {
  return folders(base).flatMap((name) => {
    try {
      const owner = JSON.parse(readFileSync(join(base, name, 'owner.json'), 'utf8')) as ProcessIdentity
      return isAlive(owner) ? [{ name, owner }] : []
    } catch {
      return []
    }
  })
}

function runningInstance(base: string, wanted: string | undefined): { name: string; owner: ProcessIdentity } {
  const running = runningInstances(base)
  const names = running.map(({ name }) => name).join(', ')
  if (wanted !== undefined) {
    const found = running.find(({ name }) => name === wanted)
    if (!found) throw new UsageError(`no sandbox named ${wanted} is running${names && `; running: ${names}`}`)
    return found
  }
  const usual = running.find(({ name }) => name === defaultInstance)
  if (usual) return usual
  const [only, ...others] = running
  if (!only) throw new UsageError('no sandbox is running; start one with: roadstead up')
  if (others.length > 0) throw new UsageError(`several sandboxes are running, choose one with --name: ${names}`)
  return only
}

function findPlace(folder: string, instance: string, target: string): ExecPlace {
  if (roles.test(target)) return { netns: namespaceOf(instance, target) }
  const [, namespace, name = ''] = /^(?:pods?\/(?:([^/]+)\/)?)?([^/]+)$/.exec(target) ?? []
  const found = readPodRecords(folder, name, namespace)
  const [pod, ...others] = found
  if (!pod)
    throw new UsageError(
      `no running Pod ${target} in sandbox ${instance}; targets: client, node-<i>, lb, router, cp, <pod>, pod/<namespace>/<pod>`,
    )
  if (others.length > 0 && namespace === undefined)
    throw new UsageError(`several Pods are named ${name}: use pod/<namespace>/${name}`)
  return found.at(-1) ?? pod
}

function folders(base: string): string[] {
  try {
    return readdirSync(base)
  } catch {
    return []
  }
}
