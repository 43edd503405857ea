/** The rest of the cluster as `desire` wants to see it, read from the caches at the moment of the question. */
import type { LoadBalancerClass, LoadBalancerClassSpec } from '../crds/load-balancer-class.ts'
import { parseLoadBalancerClass } from '../crds/load-balancer-class.ts'
import type { Parsed } from '../crds/metadata.ts'
import type { Service } from '../kube/objects.ts'
import type { Provider } from '../providers/contract.ts'
import { defaultClassOf } from '../reconcilers/service/class-choice.ts'
import type { Surroundings } from '../reconcilers/service/desire.ts'
import { classPrefix } from '../reconcilers/words.ts'
import { byClass } from './caches.ts'
import type { Caches } from './caches.ts'

export function surroundings(caches: Caches, providers: readonly Provider[], cluster: string): Surroundings {
  const byName = new Map(providers.map((provider) => [provider.name, provider]))
  const parsedSpecs = new WeakMap<LoadBalancerClass, Parsed<LoadBalancerClassSpec>>()
  const parsed = (object: LoadBalancerClass) => {
    const known = parsedSpecs.get(object) ?? parseLoadBalancerClass(object)
    parsedSpecs.set(object, known)
    return known
  }
  const isDefault = (name: string) => defaultClassOf(caches.classes.cache.values())?.metadata.name === name
  return {
    cluster,
    get defaultClass() {
      return defaultClassOf(caches.classes.cache.values())?.metadata.name
    },
    classSpec(name) {
      const object = caches.classes.cache.at(name)
      return object === undefined ? undefined : parsed(object)
    },
    classNames: () => caches.classes.cache.keys(),
    features: (cloud) => byName.get(cloud)?.features,
    cloudNames: () => byName.keys(),
    namespaceLabels: (namespace) => caches.namespaces.cache.at(namespace)?.metadata.labels ?? {},
    olderInNamespace(service, className) {
      const { cache } = caches.services
      const rivals = [
        ...cache.indexed(byClass, classPrefix + className),
        ...(isDefault(className) ? cache.indexed(byClass, '') : []),
      ]
      const { namespace, uid } = service.metadata
      return rivals.filter(
        (one) => one.metadata.namespace === namespace && one.metadata.uid !== uid && age(one) < age(service),
      ).length
    },
  }
}

function age({ metadata }: Service): string {
  return `${metadata.creationTimestamp ?? ''} ${metadata.name ?? ''}`
}
