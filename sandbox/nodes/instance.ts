/**
 * Who owns which sandbox on this machine. An instance is claimed before its first namespace exists and released after its last one is
 * gone, so whatever happens in between (SIGKILL included) leaves a record that names a dead process, and `sweepDead` removes what it left.
 * Two records: `owner.json` in the run folder for people and tools, and one beside /run/netns, where namespace names are unique.
 * A live instance, and a namespace that no record explains, is never touched.
 */
import { linkSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Clock, sleep } from '../../kube/clock.ts'
import { deleteNamespaces, listNamespaces, pidsIn } from './netns.ts'
import { endProcesses, identify, isAlive, type ProcessIdentity } from './processes.ts'

/** Records by instance name, in the same mount as the namespaces' names. */
const registryFolder = '/run/roadstead'
const instanceName = /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/
const role = /-(router|client|lb|cp|node-\d+|pod-[0-9a-f]+)$/

export interface Instance {
  readonly name: string
  /** Run folder; exists from claim to release, mode 0700. */
  readonly folder: string
  readonly owner: ProcessIdentity
}

interface OwnerRecord extends ProcessIdentity {
  folder: string
}

/** The instance is in use by a live process. */
export class InstanceInUse extends Error {
  override readonly name = 'InstanceInUse'
  readonly owner: ProcessIdentity

  constructor(instance: string, owner: ProcessIdentity, cause?: unknown) {
    super(`a sandbox named ${instance} is already running (pid ${owner.pid}); stop it or choose another --name`, {
      cause,
    })
    this.owner = owner
  }
}

/** `<tmp>/roadstead-<uid>/<instance>`. */
export function runFolder(tmp: string, uid: number, instance: string): string {
  return join(tmp, `roadstead-${uid}`, instance)
}

/**
 * Makes this process the owner. Leftovers of a dead owner of the same name are swept first.
 * Throws InstanceInUse when a live process has it, RangeError for a bad name.
 */
export async function claimInstance(
  name: string,
  options: { folder: string; pid: number; clock: Clock },
): Promise<Instance> {
  if (!instanceName.test(name))
    throw new RangeError(`bad sandbox name ${JSON.stringify(name)}: lower case letters, digits and dashes, at most 40`)
  const holder = ownerOf(name)
  // In a user namespace /run is private: there the run folder alone tells of another sandbox of the same name.
  for (const record of [holder, ownerInFolder(options.folder)])
    if (record && isAlive(record)) throw new InstanceInUse(name, record)
  const owner = identify(options.pid)
  if (!owner) throw new Error(`no process ${options.pid}`)
  if (!holder) refuseStrangers(name)
  await removeInstance(name, holder?.folder ?? options.folder, options.clock)
  mkdirSync(registryFolder, { recursive: true })
  const record: OwnerRecord = { ...owner, folder: options.folder }
  claimRecord(name, record)
  mkdirSync(options.folder, { recursive: true, mode: 0o700 })
  writeFileSync(join(options.folder, 'owner.json'), `${JSON.stringify(owner)}\n`)
  return { name, folder: options.folder, owner }
}

/** Ends what runs in the instance, deletes its namespaces and its folder, gives the name back. May be called twice. */
export async function releaseInstance(instance: Instance, clock: Clock): Promise<void> {
  await removeInstance(instance.name, instance.folder, clock)
}

/** Notes a process that runs outside the namespaces (API server, operator), so that a sweep finds it. */
export function recordProcess(instance: Instance, label: string, pid: number): void {
  const identity = identify(pid)
  if (!identity) return
  const folder = join(instance.folder, 'processes')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, `${label}-${pid}.json`), JSON.stringify(identity))
}

/**
 * Removes everything that dead owners left; returns the names of the instances that were removed. `base`: the folder of run folders
 * (`<tmp>/roadstead-<uid>`), to find also what user namespaces left, whose records went with their /run.
 */
export async function sweepDead(clock: Clock, base?: string): Promise<string[]> {
  const recorded = recordedInstances().filter(({ record }) => !isAlive(record))
  const swept = new Set<string>()
  for (const { name, record } of recorded) {
    await removeInstance(name, record.folder, clock)
    swept.add(name)
  }
  for (const name of base === undefined ? [] : entries(base)) {
    const owner = ownerInFolder(join(base ?? '', name))
    if (!owner || isAlive(owner) || !instanceName.test(name)) continue
    const record = ownerOf(name)
    // Its name may meanwhile belong to somebody with another run folder.
    if (record && isAlive(record)) continue
    await removeInstance(name, join(base ?? '', name), clock)
    swept.add(name)
  }
  return [...swept]
}

/** Namespaces of one instance; `my-node-1` is never taken for instance `my`'s when its name says otherwise. */
export function namespacesOf(instance: string): string[] {
  return listNamespaces().filter((name) => role.test(name) && name.replace(role, '') === `rs-${instance}`)
}

/**
 * Order matters: processes, then namespaces, then the folder, the record last: a cut anywhere leaves the record for the next sweep.
 * An `ip` that the dead owner had just started may still be adding namespaces, so it is looked at until there are none.
 */
async function removeInstance(name: string, folder: string, clock: Clock): Promise<void> {
  await endProcesses(recordedProcesses(folder), { clock, graceMs: 2000 })
  for (let found = namespacesOf(name); found.length > 0; found = namespacesOf(name)) {
    const inside = pidsIn(found).flatMap((pid) => identify(pid) ?? [])
    await endProcesses(inside, { clock, graceMs: 0 })
    await deleteNamespaces(found)
    await sleep(clock, 10)
  }
  if (basename(folder) === name && basename(dirname(folder)).startsWith('roadstead-'))
    rmSync(folder, { recursive: true, force: true })
  rmSync(recordFile(name), { force: true })
}

function recordedInstances(): { name: string; record: OwnerRecord }[] {
  return entries(registryFolder)
    .filter((file) => file.endsWith('.json'))
    .flatMap((file) => {
      const name = file.slice(0, -'.json'.length)
      const record = instanceName.test(name) ? ownerOf(name) : undefined
      return record ? [{ name, record }] : []
    })
}

function ownerOf(name: string): OwnerRecord | undefined {
  const value = readJson(recordFile(name))
  if (!isIdentity(value) || !('folder' in value) || typeof value.folder !== 'string') return undefined
  return { pid: value.pid, startTime: value.startTime, folder: value.folder }
}

function ownerInFolder(folder: string): ProcessIdentity | undefined {
  const value = readJson(join(folder, 'owner.json'))
  return isIdentity(value) ? value : undefined
}

/** Written aside and linked: a record is whole or absent, and of two that claim at once one fails. */
function claimRecord(name: string, record: OwnerRecord): void {
  const file = recordFile(name)
  const aside = `${file}.${record.pid}`
  writeFileSync(aside, JSON.stringify(record))
  try {
    linkSync(aside, file)
  } catch (error) {
    throw new InstanceInUse(name, ownerOf(name) ?? record, error)
  } finally {
    rmSync(aside, { force: true })
  }
}

/** Namespaces named like ours with processes inside, and no record of an owner: not for us to end. */
function refuseStrangers(name: string): void {
  const namespaces = namespacesOf(name)
  const pids = pidsIn(namespaces)
  if (pids.length > 0)
    throw new Error(
      `${namespaces.join(' ')}: in use by pid ${pids.join(' ')} and nobody's record; end it, or choose another --name`,
    )
}

function recordFile(name: string): string {
  return join(registryFolder, `${name}.json`)
}

function recordedProcesses(folder: string): ProcessIdentity[] {
  return entries(join(folder, 'processes')).flatMap((file) => {
    const value = readJson(join(folder, 'processes', file))
    return isIdentity(value) ? [{ pid: value.pid, startTime: value.startTime }] : []
  })
}

function isIdentity(value: unknown): value is ProcessIdentity {
  return (
    typeof value === 'object' &&
    value !== null &&
    'pid' in value &&
    typeof value.pid === 'number' &&
    'startTime' in value &&
    typeof value.startTime === 'number'
  )
}

function readJson(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return undefined
  }
}

function entries(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
