/** Binds a Pod to a node: POST of a v1 Binding to the Pod's `binding` subresource; nothing else may set spec.nodeName. */
import type { KubeClient } from '../../../kube/client.ts'
import type { KubeObject, ObjectReference, Pod } from '../../../kube/objects.ts'
import { resourceType } from '../../../kube/resources.ts'

interface Binding extends KubeObject {
  target: ObjectReference
}

/** A creation below an object: its path is the Pod's, so the resource type is one per Pod. */
export async function bindPod(client: KubeClient, pod: Pod, node: string, signal: AbortSignal): Promise<void> {
  const { name = '', namespace = '', uid } = pod.metadata
  const bindings = resourceType<Binding>('v1', 'Binding', `pods/${encodeURIComponent(name)}/binding`, true)
  const binding: Binding = {
    apiVersion: 'v1',
    kind: 'Binding',
    metadata: { name, namespace, ...(uid === undefined ? {} : { uid }) },
    target: { kind: 'Node', name: node },
  }
  await client.create(bindings, binding, {}, signal)
}
