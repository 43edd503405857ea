/**
 * Defaults of Pods and Pod templates. Source: pkg/apis/core/v1/defaults.go, and for Pods alone the admission plugins Priority and
 * DefaultTolerationSeconds, which every cluster runs.
 */
import type { Pod, Toleration } from '../../../../kube/objects.ts'
import { type PodContainer, type PodProbe, type PodSpec, probeKinds, specOf } from './spec.ts'

/** What a Pod and the template of a Deployment have in common. */
export function setPodSpecDefaults(spec: PodSpec): void {
  spec.dnsPolicy ||= 'ClusterFirst'
  spec.restartPolicy ||= 'Always'
  spec.securityContext ??= {}
  spec.terminationGracePeriodSeconds ??= 30
  spec.schedulerName ||= 'default-scheduler'
  for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) setContainerDefaults(container)
  if (spec.hostNetwork) {
    for (const container of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
      for (const port of container.ports ?? []) port.hostPort ||= port.containerPort
    }
  }
}

/** What only a Pod gets. */
export function setPodDefaults(pod: Pod): void {
  const spec = specOf(pod)
  setPodSpecDefaults(spec)
  spec.enableServiceLinks ??= true
  // A negative period was accepted once and means "at once".
  if ((spec.terminationGracePeriodSeconds ?? 0) < 0) spec.terminationGracePeriodSeconds = 1
  for (const { resources } of [...(spec.initContainers ?? []), ...(spec.containers ?? [])]) {
    if (resources?.limits) resources.requests = { ...resources.limits, ...resources.requests }
  }
  const { status } = pod
  // The singular wins over a plural that does not start with it; conversion.go of core/v1.
  if (status?.podIP && status.podIPs?.[0]?.ip !== status.podIP) status.podIPs = [{ ip: status.podIP }]
  if (status && !status.podIP && status.podIPs?.[0]) status.podIP = status.podIPs[0].ip
}

/** Priority and the five minutes on a node that is gone: set on creation. */
export function admitPod(pod: Pod): void {
  const spec = specOf(pod)
  spec.priority ??= 0
  spec.preemptionPolicy ??= 'PreemptLowerPriority'
  const added = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable']
    .filter((key) => !(spec.tolerations ?? []).some((toleration) => tolerates(toleration, key)))
    .map((key): Toleration => ({ key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: 300 }))
  if (added.length > 0) spec.tolerations = [...(spec.tolerations ?? []), ...added]
}

function tolerates({ key, effect }: Toleration, taint: string): boolean {
  return (key === taint || !key) && (effect === 'NoExecute' || !effect)
}

/** BestEffort: nothing asked; Guaranteed: every container asks for exactly its limits of both; else Burstable. */
export function qosClass(pod: Pod): string {
  const { containers, initContainers = [] } = specOf(pod)
  const all = [...(containers ?? []), ...initContainers].map(({ resources }) => resources ?? {})
  const kinds = ['cpu', 'memory']
  const set = (list: Record<string, string> | undefined, kind: string) => (list?.[kind] ?? '0') !== '0'
  if (!all.some(({ requests, limits }) => kinds.some((kind) => set(requests, kind) || set(limits, kind)))) {
    return 'BestEffort'
  }
  const guaranteed = all.every(({ requests, limits }) =>
    kinds.every((kind) => set(limits, kind) && (requests?.[kind] ?? limits?.[kind]) === limits?.[kind]),
  )
  return guaranteed ? 'Guaranteed' : 'Burstable'
}

function setContainerDefaults(container: PodContainer): void {
  container.imagePullPolicy ||= isLatest(container.image ?? '') ? 'Always' : 'IfNotPresent'
  container.terminationMessagePath ||= '/dev/termination-log'
  container.terminationMessagePolicy ||= 'File'
  for (const port of container.ports ?? []) port.protocol ||= 'TCP'
  for (const { valueFrom } of container.env ?? []) {
    const ref = valueFrom?.fieldRef as { apiVersion?: string } | undefined
    if (ref) ref.apiVersion ||= 'v1'
  }
  for (const kind of probeKinds) {
    const probe = container[kind]
    if (probe) setProbeDefaults(probe)
  }
}

function setProbeDefaults(probe: PodProbe): void {
  probe.timeoutSeconds ||= 1
  probe.periodSeconds ||= 10
  probe.successThreshold ||= 1
  probe.failureThreshold ||= 3
  if (probe.httpGet) {
    probe.httpGet.path ||= '/'
    probe.httpGet.scheme ||= 'HTTP'
  }
}

/** No tag and no digest means `latest`. An image that cannot be parsed counts as not latest. */
function isLatest(image: string): boolean {
  if (image === '') return false
  const [name = '', digest] = image.split('@')
  const tag = /:([^/:]+)$/.exec(name)?.[1]
  return tag === 'latest' || (tag === undefined && digest === undefined)
}
