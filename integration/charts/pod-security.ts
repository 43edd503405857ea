/**
 * The profile `restricted` of the Pod Security Standards, as far as the operator's Pod touches it: version v1.29 and later.
 * Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/
 */
interface SecurityContext {
  runAsNonRoot?: boolean
  runAsUser?: number
  privileged?: boolean
  allowPrivilegeEscalation?: boolean
  seccompProfile?: { type?: string }
  capabilities?: { add?: string[]; drop?: string[] }
  procMount?: string
  readOnlyRootFilesystem?: boolean
}

interface Container {
  name: string
  image?: string
  args?: string[]
  env?: { name: string; value?: string }[]
  volumeMounts?: { name: string; mountPath: string; subPath?: string }[]
  securityContext?: SecurityContext
  ports?: { name: string; containerPort: number; hostPort?: number }[]
  livenessProbe?: { httpGet: { path: string; port: string } }
  readinessProbe?: { httpGet: { path: string; port: string } }
}

interface PodSpec {
  serviceAccountName?: string
  hostNetwork?: boolean
  hostPID?: boolean
  hostIPC?: boolean
  dnsPolicy?: string
  priorityClassName?: string
  tolerations?: object[]
  securityContext?: SecurityContext & { sysctls?: unknown[] }
  containers: Container[]
  initContainers?: Container[]
  volumes?: ({ name: string } & Record<string, unknown>)[]
}

export interface PodTemplate {
  metadata: { labels?: Record<string, string>; annotations?: Record<string, string> }
  spec: PodSpec
}

const volumeTypes = [
  'configMap',
  'csi',
  'downwardAPI',
  'emptyDir',
  'ephemeral',
  'persistentVolumeClaim',
  'projected',
  'secret',
]

/** What the profile refuses, one line each; empty when the Pod may run. */
export function restricted(pod: PodSpec): string[] {
  const refused: string[] = []
  for (const host of ['hostNetwork', 'hostPID', 'hostIPC'] as const)
    if (pod[host]) refused.push(`${host} must not be set`)
  if (pod.securityContext?.sysctls?.length) refused.push('sysctls must not be set')
  for (const { name, ...source } of pod.volumes ?? []) {
    if (!Object.keys(source).every((type) => volumeTypes.includes(type)))
      refused.push(`volume ${name}: its type is not allowed`)
  }
  for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
    refused.push(
      ...restrictedContainer(container, pod.securityContext ?? {}).map((line) => `${container.name}: ${line}`),
    )
  }
  return refused
}

function restrictedContainer({ securityContext: own = {}, ports = [] }: Container, pod: SecurityContext): string[] {
  const checks: [boolean, string][] = [
    [own.privileged !== true, 'privileged must be false'],
    [own.allowPrivilegeEscalation === false, 'allowPrivilegeEscalation must be false'],
    [(own.runAsNonRoot ?? pod.runAsNonRoot) === true, 'runAsNonRoot must be true'],
    [(own.runAsUser ?? pod.runAsUser) !== 0, 'runAsUser must not be 0'],
    [
      ['RuntimeDefault', 'Localhost'].includes((own.seccompProfile ?? pod.seccompProfile)?.type ?? ''),
      'seccompProfile.type must be RuntimeDefault or Localhost',
    ],
    [own.capabilities?.drop?.includes('ALL') === true, 'capabilities.drop must be ALL'],
    [(own.capabilities?.add ?? []).every((one) => one === 'NET_BIND_SERVICE'), 'capabilities.add is not allowed'],
    [(own.procMount ?? 'Default') === 'Default', 'procMount must be Default'],
    [ports.every(({ hostPort }) => hostPort === undefined || hostPort === 0), 'hostPort must not be set'],
  ]
  return checks.filter(([holds]) => !holds).map(([, line]) => line)
}
