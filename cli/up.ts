/** `roadstead up`: prepares the machine, starts the cluster, applies manifests, shows what goes on, and takes everything away again. */
import { systemClock } from '../kube/clock.ts'
import { type CommandIo, UsageError } from '../kube/flags.ts'
import type { Log } from '../kube/log.ts'
import { type Cluster, startCluster } from '../sandbox/cluster.ts'
import { applyManifests } from '../sandbox/manifests.ts'
import { InstanceInUse } from '../sandbox/nodes/instance.ts'
import { ownRunFolder } from '../sandbox/nodes/own-run-folder.ts'
import { type Relay, startRelay } from '../sandbox/nodes/relay.ts'
import { greeting } from './greeting.ts'
import { keepPublished, publishSocket } from './publish.ts'
import { showCluster } from './show-cluster.ts'
import { type UpSettings, upHelp, upSettings } from './up-settings.ts'
import { elsewhere, roadsteadCommand } from './user-namespace.ts'

export async function run(argv: readonly string[], io: CommandIo): Promise<number> {
  const settings = upSettings(argv)
  if (settings === 'help') {
    io.stdout(upHelp)
    return 0
  }
  const ended = await elsewhere(['up', ...argv], io)
  if (ended !== undefined) return ended
  const folder = ownRunFolder(settings.name)
  const relays: Relay[] = []
  try {
    for (const { localPort } of settings.publications) relays.push(await listenLocally(localPort, folder))
    return await runCluster(settings, folder, io)
  } finally {
    await Promise.all(relays.map((relay) => relay.close()))
  }
}

async function runCluster(settings: UpSettings, folder: string, io: CommandIo): Promise<number> {
  let cluster: Cluster
  const say = (line: string) => io.stdout(`  ${line}\n`)
  io.stdout(`Starting sandbox "${settings.name}"; Ctrl-C takes it away again.\n`)
  try {
    cluster = await startCluster({
      name: settings.name,
      folder,
      nodes: settings.nodes,
      apiPort: settings.apiPort,
      roadstead: roadsteadCommand,
      env: io.env,
      clock: systemClock,
      random: Math.random,
      log: warningsTo(io),
      say,
    })
  } catch (error) {
    if (!(error instanceof InstanceInUse)) throw error
    io.stderr(`roadstead up: ${error.message}\n`)
    return 1
  }
  let stopPublishing = () => {}
  try {
    for (const { file, objects } of settings.manifests) {
      await applyManifests(cluster.client, objects, io.signal)
      say(`applied ${file}: ${objects.map((object) => `${object.kind} ${object.metadata.name}`).join(', ')}`)
    }
    stopPublishing = keepPublished(cluster, settings.publications, say)
    await greeting(cluster, settings, io)
    await showCluster(cluster, io)
    return 0
  } catch (error) {
    if (io.signal.aborted) return 0
    throw error
  } finally {
    stopPublishing()
    io.stdout('\nStopping: ending processes and removing namespaces ...\n')
    await cluster.stop()
    io.stdout('Everything is removed.\n')
  }
}

async function listenLocally(port: number, folder: string): Promise<Relay> {
  const target = { kind: 'unix', path: publishSocket(folder, port) } as const
  try {
    return await startRelay({ kind: 'tcp', host: '127.0.0.1', port }, target)
  } catch (error) {
    throw new UsageError(`--publish: port ${port} of this machine cannot be listened on; choose another`, {
      cause: error,
    })
  }
}

/** The log of the parts that run in this process: warnings and errors only, one line each. */
function warningsTo(io: CommandIo): Log {
  const line = (fields: Record<string, unknown>, message: string) => {
    const error = fields['error']
    const cause = error instanceof Error ? error.message : typeof error === 'string' ? error : undefined
    io.stderr(`  ! ${message}${cause === undefined ? '' : `: ${cause}`}\n`)
  }
  const nothing = () => {}
  return { debug: nothing, info: nothing, warn: line, error: line }
}
