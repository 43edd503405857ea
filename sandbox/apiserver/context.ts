/** What every operation of the API needs: the objects, the resources, time and chance. */
import type { Clock } from '../../kube/clock.ts'
import type { KubeObject } from '../../kube/objects.ts'
import type { Resource, ResourceSet } from './resource.ts'
import type { Store } from './store.ts'
import type { StrategyContext } from './strategy.ts'

export interface ApiContext {
  readonly store: Store
  readonly resources: ResourceSet
  readonly clock: Clock
  /** Uniform in [0, 1). */
  readonly random: () => number
  /** Called after an object was written or is really gone, for kinds with side effects (CRDs). */
  readonly afterWrite: ((resource: Resource, object: KubeObject, gone: boolean) => void)[]
  /** Called with the copy that is about to be marked deleted or removed; may add finalizers. */
  readonly beforeDelete: ((resource: Resource, object: KubeObject) => void)[]
}

export interface WriteOptions {
  dryRun: boolean
  fieldManager: string
  fieldValidation: 'Strict' | 'Warn' | 'Ignore'
  /** Server-side apply has recorded the managers itself. */
  managersRecorded?: boolean
}

export function strategyContext(context: ApiContext, dryRun: boolean): StrategyContext {
  return {
    dryRun,
    list(plural) {
      const resource = context.resources.all().find(({ kind }) => kind.type.plural === plural && !kind.custom)
      return resource?.collection.sorted().map((entry) => entry.object) ?? []
    },
  }
}

/** Seconds resolution, as metav1.Time prints it. */
export function timestamp(ms: number): string {
  return new Date(Math.floor(ms / 1000) * 1000).toISOString().replace('.000Z', 'Z')
}

const hex = '0123456789abcdef'

/** A random (version 4) UUID from the given source of chance. */
export function newUid(random: () => number): string {
  let uid = ''
  for (let at = 0; at < 32; at++) {
    if (at === 8 || at === 12 || at === 16 || at === 20) uid += '-'
    const nibble = at === 12 ? 4 : at === 16 ? 8 + Math.floor(random() * 4) : Math.floor(random() * 16)
    uid += hex[nibble]
  }
  return uid
}

/** k8s.io/apimachinery/pkg/util/rand: no vowels, no look-alikes. */
const suffixAlphabet = 'bcdfghjklmnpqrstvwxz2456789'
const longestGeneratedPrefix = 58

export function generatedName(prefix: string, random: () => number): string {
  let name = prefix.slice(0, longestGeneratedPrefix)
  for (let at = 0; at < 5; at++) name += suffixAlphabet[Math.floor(random() * suffixAlphabet.length)]
  return name
}
