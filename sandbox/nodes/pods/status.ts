/** A Pod's status from what its containers do, as kubelet's generateAPIPodStatus derives it. Pure. */
import type { Container, Pod } from '../../../kube/objects.ts'

export type ContainerState =
  | { kind: 'waiting'; reason: string; message?: string }
  | { kind: 'running'; startedAt: string; ready: boolean }
  | { kind: 'terminated'; exitCode: number; signal?: number; reason: string; startedAt: string; finishedAt: string }

export interface ContainerView {
  spec: Container
  state: ContainerState
  /** How the run before this one ended. */
  last?: ContainerState
  restarts: number
}

export interface PodView {
  pod: Pod
  podIPs: readonly string[]
  hostIPs: readonly string[]
  startTime: string
  containers: readonly ContainerView[]
  /** The Pod is being deleted and its containers are stopped for good. */
  finished: boolean
}

type PodStatus = NonNullable<Pod['status']>
type PodCondition = NonNullable<PodStatus['conditions']>[number]

/** `previous` keeps transition times of conditions that did not change. */
export function podStatus(view: PodView, previous: PodStatus | undefined, now: string): PodStatus {
  const phase = phaseOf(view)
  const over = phase === 'Succeeded' || phase === 'Failed'
  const unready = view.containers.filter(({ state }) => state.kind !== 'running' || !state.ready)
  const containersReady = readiness(over, phase, unready)
  const wanted: Omit<PodCondition, 'lastTransitionTime'>[] = [
    { type: 'PodScheduled', status: 'True' },
    { type: 'Initialized', status: 'True', ...(phase === 'Succeeded' ? { reason: 'PodCompleted' } : {}) },
    { type: 'ContainersReady', ...containersReady },
    { type: 'Ready', ...containersReady },
  ]
  return {
    phase,
    conditions: wanted.map((condition) => timed(condition, previous, now)),
    hostIP: view.hostIPs[0] ?? '',
    hostIPs: view.hostIPs.map((ip) => ({ ip })),
    ...(view.podIPs.length > 0 ? { podIP: view.podIPs[0] ?? '', podIPs: view.podIPs.map((ip) => ({ ip })) } : {}),
    startTime: view.startTime,
    containerStatuses: view.containers.map(containerStatus),
  }
}

function readiness(over: boolean, phase: string, unready: readonly ContainerView[]): Omit<PodCondition, 'type'> {
  if (over) return { status: 'False', reason: phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed' }
  if (unready.length === 0) return { status: 'True' }
  const names = unready.map(({ spec }) => spec.name).join(' ')
  return { status: 'False', reason: 'ContainersNotReady', message: `containers with unready status: [${names}]` }
}

function phaseOf({ pod, containers, finished }: PodView): NonNullable<PodStatus['phase']> {
  const policy = pod.spec.restartPolicy ?? 'Always'
  const ended = containers.flatMap(({ state }) => (state.kind === 'terminated' ? [state] : []))
  if (ended.length === containers.length && containers.length > 0) {
    const failed = ended.some(({ exitCode }) => exitCode !== 0)
    if (finished || policy === 'Never' || (policy === 'OnFailure' && !failed)) return failed ? 'Failed' : 'Succeeded'
    return 'Running'
  }
  const neverStarted = containers.some(({ state, last }) => state.kind === 'waiting' && last === undefined)
  return neverStarted ? 'Pending' : 'Running'
}

function containerStatus({ spec, state, last, restarts }: ContainerView) {
  const image = spec.image ?? ''
  return {
    name: spec.name,
    ready: state.kind === 'running' && state.ready,
    started: state.kind === 'running',
    restartCount: restarts,
    image,
    imageID: state.kind === 'waiting' && last === undefined ? '' : `roadstead-builtin://${image}`,
    state: apiState(state),
    lastState: last ? apiState(last) : {},
  }
}

function apiState(state: ContainerState): Record<string, unknown> {
  const { kind, ...fields } = state
  if (kind === 'running') return { running: { startedAt: state.startedAt } }
  return { [kind]: fields }
}

function timed(
  condition: Omit<PodCondition, 'lastTransitionTime'>,
  previous: PodStatus | undefined,
  now: string,
): PodCondition {
  const old = previous?.conditions?.find(({ type }) => type === condition.type)
  const since = old?.status === condition.status ? old.lastTransitionTime : undefined
  return { ...condition, lastTransitionTime: since ?? now }
}
