/**
 * The environment and command line of a container, as kubelet builds them: `$(NAME)` references, fieldRef, Service variables
 * that the container's own entries override. Pure.
 */
import type { EnvVar, Pod } from '../../../kube/objects.ts'

/** What the Pod has that its object does not say yet. */
export interface PodFacts {
  pod: Pod
  podIPs: readonly string[]
  hostIPs: readonly string[]
  hostname: string
  serviceVariables: Readonly<Record<string, string>>
}

/** The container cannot be created from what its spec says; kubelet's reason CreateContainerConfigError. */
export class ContainerConfigError extends Error {
  override readonly name = 'ContainerConfigError'
}

/** `variables`: the image's, then the container's; later ones win over earlier ones of the same name. Throws ContainerConfigError. */
export function containerEnvironment(variables: readonly EnvVar[], facts: PodFacts): Record<string, string> {
  const own: Record<string, string> = {}
  for (const variable of variables) own[variable.name] = valueOf(variable, own, facts)
  return { HOSTNAME: facts.hostname, ...facts.serviceVariables, ...own }
}

/** `$(NAME)` from `variables`, `$$` is `$`, unknown names stay as they are (third_party/forked/golang/expansion). */
export function expand(text: string, variables: Readonly<Record<string, string>>): string {
  return text.replace(/\$(\$|\(([^)]*)\))/g, (whole, escaped: string, name: string | undefined) => {
    if (escaped === '$') return '$'
    return (name !== undefined && Object.hasOwn(variables, name) ? variables[name] : undefined) ?? whole
  })
}

function valueOf(variable: EnvVar, own: Readonly<Record<string, string>>, facts: PodFacts): string {
  const source = variable.valueFrom
  if (source === undefined || source === null)
    return expand(variable.value ?? '', { ...facts.serviceVariables, ...own })
  if (!source.fieldRef)
    throw new ContainerConfigError(
      `env ${variable.name}: the sandbox reads valueFrom.fieldRef, not ${Object.keys(source).join(', ') || 'an empty valueFrom'}`,
    )
  return field(source.fieldRef.fieldPath, facts)
}

function field(path: string, { pod, podIPs, hostIPs }: PodFacts): string {
  const subscript = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path)
  if (subscript) {
    const map = subscript[1] === 'labels' ? pod.metadata.labels : pod.metadata.annotations
    return map?.[subscript[2] ?? ''] ?? ''
  }
  const values: Record<string, string> = {
    'metadata.name': pod.metadata.name ?? '',
    'metadata.namespace': pod.metadata.namespace ?? '',
    'metadata.uid': pod.metadata.uid ?? '',
    'spec.nodeName': pod.spec.nodeName ?? '',
    'spec.serviceAccountName': pod.spec.serviceAccountName ?? 'default',
    'status.podIP': podIPs[0] ?? '',
    'status.podIPs': podIPs.join(','),
    'status.hostIP': hostIPs[0] ?? '',
    'status.hostIPs': hostIPs.join(','),
  }
  const value = values[path]
  if (value === undefined) throw new ContainerConfigError(`unsupported fieldPath: ${path}`)
  return value
}
