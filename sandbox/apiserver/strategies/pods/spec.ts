/** The parts of a Pod's spec that defaults and validation look at and the shared object types leave out. */
import type { Container, Pod, Probe, Toleration } from '../../../../kube/objects.ts'

export interface PodProbe extends Probe {
  exec?: { command?: string[] }
  grpc?: { port: number }
  httpGet?: { path?: string; port: number | string; scheme?: string }
  terminationGracePeriodSeconds?: number
}

export interface PodContainer extends Container {
  imagePullPolicy?: string
  terminationMessagePath?: string
  terminationMessagePolicy?: string
  resources?: { requests?: Record<string, string>; limits?: Record<string, string> }
  livenessProbe?: PodProbe
  readinessProbe?: PodProbe
  startupProbe?: PodProbe
}

export interface PodSpec extends Omit<Pod['spec'], 'containers' | 'tolerations'> {
  containers: PodContainer[]
  initContainers?: PodContainer[]
  tolerations?: Toleration[]
  activeDeadlineSeconds?: number
  schedulerName?: string
  schedulingGates?: { name: string }[]
  securityContext?: Record<string, unknown>
  priority?: number
  preemptionPolicy?: string
}

/** The Pod's spec with all its fields. */
export function specOf(pod: Pod): PodSpec {
  return pod.spec
}

export const probeKinds = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const
