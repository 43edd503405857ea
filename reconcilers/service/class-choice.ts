/**
 * Whose a Service is, pure. Ours are Services whose class has our prefix, and those without a class when a LoadBalancerClass is marked
 * default. What once was ours keeps our finalizer until it has been cleaned up. Everything else is never written.
 */
import type { LoadBalancerClass } from '../../crds/load-balancer-class.ts'
import type { Service } from '../../kube/objects.ts'
import { classPrefix, defaultClassFinalizer, finalizer } from '../words.ts'

export type ClassChoice =
  | { kind: 'none' }
  /** No (longer) a load balancer of ours, but our finalizer is on it. */
  | { kind: 'released'; finalizer: string }
  | { kind: 'class'; name: string; finalizer: string }

/** `defaultClass`: name of the class for Services without one, when there is one. */
export function chooseClass(service: Service, defaultClass: string | undefined): ClassChoice {
  const held = heldFinalizer(service, defaultClass !== undefined)
  const wanted = wantedClass(service, defaultClass)
  if (service.metadata.deletionTimestamp !== undefined || wanted === undefined) {
    return held === undefined ? { kind: 'none' } : { kind: 'released', finalizer: held }
  }
  return { kind: 'class', ...wanted }
}

function wantedClass(service: Service, defaultClass: string | undefined) {
  if (service.spec.type !== 'LoadBalancer') return undefined
  const asked = service.spec.loadBalancerClass
  if (asked === undefined) {
    return defaultClass === undefined ? undefined : { name: defaultClass, finalizer: defaultClassFinalizer }
  }
  return asked.startsWith(classPrefix) ? { name: asked.slice(classPrefix.length), finalizer } : undefined
}

/** The shared finalizer counts as ours only where a default class makes us responsible for Services without class. */
function heldFinalizer(service: Service, haveDefault: boolean): string | undefined {
  const finalizers = service.metadata.finalizers ?? []
  if (finalizers.includes(finalizer)) return finalizer
  const shared = finalizers.includes(defaultClassFinalizer) && service.spec.loadBalancerClass === undefined
  return shared && haveDefault ? defaultClassFinalizer : undefined
}

/** The oldest class that says `default: true`; by name among equals, so that every replica chooses the same. */
export function defaultClassOf(classes: Iterable<LoadBalancerClass>): LoadBalancerClass | undefined {
  const age = (one: LoadBalancerClass) => `${one.metadata.creationTimestamp ?? ''} ${one.metadata.name ?? ''}`
  return [...classes]
    .filter((one) => one.spec?.default === true && one.metadata.deletionTimestamp === undefined)
    .toSorted((a, b) => (age(a) < age(b) ? -1 : 1))[0]
}
