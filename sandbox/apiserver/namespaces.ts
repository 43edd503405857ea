/**
 * Rules around namespaces: content only in one that exists and is not going away, the four that are always there, and finalization.
 * Source: k8s.io/apiserver/pkg/admission/plugin/namespace/lifecycle, pkg/registry/core/namespace/storage.
 */
import type { KubeObject, Namespace } from '../../kube/objects.ts'
import type { ApiContext } from './context.ts'
import { forbidden, notFound } from './failure.ts'
import { namespaceKind } from './kind.ts'
import type { Resource } from './resource.ts'

export const systemNamespaces: readonly string[] = ['default', 'kube-system', 'kube-public', 'kube-node-lease']
const immortal: ReadonlySet<string> = new Set(['default', 'kube-system', 'kube-public'])

function namespaceResource(context: ApiContext): Resource | undefined {
  return context.resources.find('', 'v1', 'namespaces')
}

/** Refuses new content in a namespace that is missing (404) or Terminating (403). */
export function assertNamespaceOpen(context: ApiContext, resource: Resource, namespace: string, name: string): void {
  const entry = namespaceResource(context)?.collection.get('', namespace)
  if (!entry) throw notFound(namespaceKind.type, namespace)
  const found = entry.object as Namespace
  if (found.metadata.deletionTimestamp === undefined && found.status?.phase !== 'Terminating') return
  throw forbidden(
    resource.kind.type,
    name,
    `unable to create new content in namespace ${namespace} because it is being terminated`,
    [
      {
        reason: 'NamespaceTerminating',
        message: `namespace ${namespace} is being terminated`,
        field: 'metadata.namespace',
      },
    ],
  )
}

export function assertNamespaceMayGo(name: string): void {
  if (immortal.has(name)) throw forbidden(namespaceKind.type, name, 'this namespace may not be deleted')
}

/** A namespace leaves only when both kinds of finalizers are gone. */
export function holdsNamespace(object: KubeObject): boolean {
  return ((object as Namespace).spec?.finalizers?.length ?? 0) > 0
}

/** First deletion: Terminating, everything inside is for the namespaces controller to remove. */
export function markTerminating(object: KubeObject): void {
  const namespace = object as Namespace
  namespace.status = { ...namespace.status, phase: 'Terminating' }
}
