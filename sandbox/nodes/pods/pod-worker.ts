/**
 * One Pod's life on its node: network, files, containers, status, and its graceful end. The API server is told what is, and at the end
 * asked to let the object go (grace period 0), as kubelet does. A Pod that cannot be started says why and is tried again; it disturbs no other.
 */
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isApiError, type KubeClient } from '../../../kube/client.ts'
import { type Clock, sleep } from '../../../kube/clock.ts'
import { type EventRecorder, referenceTo } from '../../../kube/event-recorder.ts'
import type { Log } from '../../../kube/log.ts'
import type { Container, Pod, Service } from '../../../kube/objects.ts'
import { pods as podType } from '../../../kube/resources.ts'
import { type FileBinds, spawnIn } from '../netns.ts'
import type { Network } from '../network.ts'
import { families, type NodePlace, type PodPlace } from '../topology.ts'
import { ImageError, type RestartBackoff, type RunningContainer, startContainer } from './container.ts'
import { containerEnvironment, expand } from './environment.ts'
import { findImage, type Image, type Images, unknownImage } from './images.ts'
import { type DnsSettings, hostsFile, podHostname, resolvConf } from './pod-files.ts'
import type { Prober } from './prober.ts'
import { writePodRecord } from './record.ts'
import { serviceEnvironment } from './service-links.ts'
import { podStatus } from './status.ts'
import { createStatusWriter } from './status-writer.ts'

export interface PodWorkerOptions {
  pod: Pod
  node: NodePlace
  network: Network
  prober: Prober
  client: KubeClient
  events: EventRecorder
  images: Images
  dns: DnsSettings
  /** Every Service known now. */
  services: () => Iterable<Service>
  /** What every process needs to run on this machine (PATH and the like); a container's own variables win. */
  baseEnv: Readonly<Record<string, string>>
  /** The machine's resolv.conf, to bind the Pod's over; undefined when it has none. */
  resolvConfPath: string | undefined
  backoff: RestartBackoff
  clock: Clock
  log: Log
}

export interface PodWorker {
  readonly uid: string
  /** A newer version of the object. */
  update(pod: Pod): void
  /** The object is gone, or its node is: end everything. `graceMs` 0: at once. Resolves when nothing is left. */
  end(graceMs: number): Promise<void>
}

const emptyGrace = 30

export function startPodWorker(options: PodWorkerOptions): PodWorker {
  const { network, node, client, clock, log } = options
  const { uid = '', namespace = '', name = '' } = options.pod.metadata
  const hash = createHash('sha256').update(uid).digest('hex').slice(0, 10)
  const folder = join(network.instance.folder, 'pods', hash)
  const hostIPs = families(node.addresses).map(([, address]) => address)
  const startTime = timestamp(clock)
  const writer = createStatusWriter({ client, pod: options.pod, clock, log })
  const ending = new AbortController()
  let pod = options.pod
  let podIPs: readonly string[] = []
  let place: PodPlace | undefined
  let containers: RunningContainer[] = []
  let status: Pod['status']
  let finished = false
  /** Set by the first deletion that was seen; a later one may only shorten it. */
  let graceMs: number | undefined

  const publish = () => {
    if (ending.signal.aborted) return
    const views =
      containers.length > 0 ? containers.map((container) => container.view()) : pod.spec.containers.map(creating)
    status = podStatus({ pod, podIPs, hostIPs, startTime, containers: views, finished }, status, timestamp(clock))
    writer.write(status)
  }
  const report = (type: 'Normal' | 'Warning', reason: string, message: string) =>
    options.events.event(referenceTo(podType, pod), type, reason, message)

  const start = async () => {
    publish()
    for (let wait = 500; !isEnding(); wait = Math.min(wait * 2, 10_000)) {
      try {
        place ??= pod.spec.hostNetwork ? undefined : await network.addPod(node.name, hash)
        podIPs = place ? families(place.addresses).map(([, address]) => address) : hostIPs
        if (!isEnding()) startContainers()
        return
      } catch (error) {
        log.warn({ pod: `${namespace}/${name}`, error: String(error) }, 'Pod not started, trying again')
        report('Warning', 'FailedCreatePodSandBox', error instanceof Error ? error.message : String(error))
        await sleep(clock, wait, ending.signal)
      }
    }
  }

  const startContainers = () => {
    mkdirSync(folder, { recursive: true })
    const hostname = podHostname(pod)
    const inNamespace = place?.namespace ?? node.namespace
    const binds = writeFiles()
    const serviceVariables = serviceEnvironment(options.services(), namespace, pod.spec.enableServiceLinks ?? true)
    const facts = { pod, podIPs, hostIPs, hostname: place ? hostname : node.name, serviceVariables }
    writePodRecord(
      network.instance.folder,
      { namespace, name, uid },
      { netns: inNamespace, binds, hostname: facts.hostname },
    )
    containers = pod.spec.containers.map((spec) =>
      startContainer({
        spec,
        restartPolicy: pod.spec.restartPolicy ?? 'Always',
        launch() {
          const image = imageOf(spec, options.images)
          const argv = [...(spec.command?.length ? spec.command : image.entrypoint), ...(spec.args ?? [])]
          const env = containerEnvironment([...image.env, ...(spec.env ?? [])], facts)
          const output = openSync(join(folder, `${spec.name}.log`), 'a')
          try {
            return spawnIn(
              inNamespace,
              argv.map((part) => expand(part, env)),
              {
                binds,
                hostname: facts.hostname,
                env: { ...options.baseEnv, ...env },
                stdio: ['ignore', output, output],
              },
            )
          } finally {
            closeSync(output)
          }
        },
        probe: (plan) => options.prober.probe(podIPs[0] ?? '', plan.target, plan.timeoutMs),
        backoff: options.backoff,
        clock,
        onChange: publish,
        report,
      }),
    )
    publish()
  }

  const writeFiles = (): FileBinds => {
    const contents: [string | undefined, string | undefined][] = [
      [options.resolvConfPath, resolvConf(pod, options.dns)],
      ['/etc/hosts', hostsFile(pod, podIPs, options.dns)],
    ]
    return Object.fromEntries(
      contents.flatMap(([target, text]) => {
        if (target === undefined || text === undefined) return []
        const file = join(folder, target.split('/').at(-1) ?? '')
        writeFileSync(file, text)
        return [[target, file]]
      }),
    )
  }

  const isEnding = () => ending.signal.aborted || graceMs !== undefined
  const started = start()

  const stopContainers = async (grace: number) => {
    await Promise.all(containers.map((container) => container.stop(grace)))
    await started
    // Started while we were told to stop.
    await Promise.all(containers.map((container) => container.stop(grace)))
  }

  const takeAway = async () => {
    if (place) await network.removePod(place)
    rmSync(folder, { recursive: true, force: true })
    writePodRecord(network.instance.folder, { namespace, name, uid }, undefined)
  }

  /** The user's deletion: containers stop, the last status is written, the object is let go. */
  const terminate = async (grace: number) => {
    await stopContainers(grace)
    finished = true
    publish()
    await writer.flush()
    if (ending.signal.aborted) return
    await takeAway()
    while (!ending.signal.aborted) {
      try {
        await client.remove(podType, { namespace, name }, { uid, gracePeriodSeconds: 0 }, ending.signal)
        return
      } catch (error) {
        if (isApiError(error, 404) || isApiError(error, 409)) return
        await sleep(clock, 500, ending.signal)
      }
    }
  }

  let terminating: Promise<void> | undefined
  let ended: Promise<void> | undefined
  return {
    uid,
    update(next) {
      pod = next
      if (next.metadata.deletionTimestamp === undefined) return
      const grace =
        1000 * (next.metadata.deletionGracePeriodSeconds ?? next.spec.terminationGracePeriodSeconds ?? emptyGrace)
      if (graceMs !== undefined && grace >= graceMs) return
      const first = graceMs === undefined
      graceMs = grace
      if (first) {
        report(
          'Normal',
          'Killing',
          `Stopping ${pod.spec.containers.map((container) => `container ${container.name}`).join(', ')}`,
        )
        terminating = terminate(grace).catch((error: unknown) =>
          log.error({ pod: `${namespace}/${name}`, error: String(error) }, 'Pod not ended cleanly'),
        )
      } else void stopContainers(grace)
    },
    end(grace) {
      ending.abort()
      writer.stop()
      ended ??= (async () => {
        await stopContainers(grace)
        await terminating
        await takeAway()
      })()
      return ended
    },
  }
}

function imageOf(spec: Container, images: Images): Image {
  const image = findImage(images, spec.image ?? '')
  if (!image) throw new ImageError(unknownImage(images, spec.image ?? ''))
  return image
}

function creating(spec: Container) {
  return { spec, state: { kind: 'waiting' as const, reason: 'ContainerCreating' }, restarts: 0 }
}

function timestamp(clock: Clock): string {
  return new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
}
