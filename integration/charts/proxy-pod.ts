/** The proxy's objects among those of the chart. */
import { leastValues, ofKind } from './helm.ts'
import type { Rendered } from './helm.ts'
import type { PodTemplate } from './pod-security.ts'

/** Values with the proxy on. */
export function withProxy(proxy: object): object {
  return { ...leastValues, proxy: { enabled: true, apiServer: { host: 'api.example' }, ...proxy } }
}

export function ofProxy(objects: readonly Rendered[]): Rendered[] {
  return objects.filter(({ metadata }) => metadata.labels?.['app.kubernetes.io/component'] === 'proxy')
}

export function podOfProxy(objects: readonly Rendered[]): PodTemplate {
  return (ofKind(objects, 'DaemonSet').spec as { template: PodTemplate }).template
}
