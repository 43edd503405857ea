/** Which Pods a Service selects, and which Services a change concerns: shared by the slices and the Endpoints controller. */
import { keyOf } from '../../kube/key.ts'
import type { Pod, Service } from '../../kube/objects.ts'
import { matchesMap } from './labels.ts'
import { byNamespace, type World } from './world.ts'

export function podsOf(service: Service, { pods }: World): Pod[] {
  return pods.cache
    .indexed(byNamespace, service.metadata.namespace ?? '')
    .filter((pod) => matchesMap(service.spec.selector, pod.metadata.labels))
}

/** Calls `add` with the key of every Service whose endpoints a Service or Pod change may alter. */
export function onServicePods(world: World, add: (key: string) => void): void {
  world.services.cache.onChange(({ key }) => add(key))
  world.pods.cache.onChange(({ before, after }) => {
    const namespace = (after ?? before)?.metadata.namespace ?? ''
    for (const service of world.services.cache.indexed(byNamespace, namespace)) {
      const { selector } = service.spec
      const concerned = [before, after].some((pod) => pod !== undefined && matchesMap(selector, pod.metadata.labels))
      if (concerned) add(keyOf(service))
    }
  })
}
