/** The local fake as a world of the conformance suite. */
import type { World } from '../conformance-world.ts'
import { CloudError } from '../contract.ts'
import type { Resource } from '../contract.ts'
import { createFakeLocal } from './fake.ts'
import { createLocalProvider } from './provider.ts'
import type { CloudKind, CloudRequest } from './wire.ts'

export function fakeLocalWorld(): World {
  const fake = createFakeLocal()
  return {
    provider: createLocalProvider(fake.cloud),
    providerId: localNode,
    async restart() {
      fake.reconnect()
      return createLocalProvider(fake.cloud)
    },
    interrupt: (calls, last) => fake.interrupt(calls, last),
    fail: (kind) => fake.failNext(new CloudError(kind, `the cloud is ${kind}`)),
    mutations: async () => fake.core.mutations().map(asSuite),
    inventory: async () =>
      fake.core
        .list(() => true)
        .map((object) => JSON.stringify(object))
        .sort(),
    squat: async (resource) => fake.core.change({ verb: 'create', request: squatterOf(resource) }),
    hold: () => {
      fake.hold = true
    },
    settle: async () => fake.settle(),
    close: async () => {},
  }
}

export function localNode(node: string): string {
  return `roadstead-local://test/${node}`
}

/** The cloud's names are `<cluster>.<uid>.<key>`; the suite speaks of keys. */
export function asSuite({ verb, kind, name }: { verb: 'create' | 'update' | 'delete'; kind: CloudKind; name: string }) {
  return { verb, kind, key: name.split('.').slice(2).join('.') }
}

/** A load balancer of somebody else under the name that `resource` would get. */
export function squatterOf({ owner, key }: Resource): CloudRequest {
  const { cluster, uid } = 'uid' in owner ? owner : { cluster: '', uid: '' }
  return {
    kind: 'load-balancer',
    name: `${cluster}.${uid}.${key}`,
    tags: { cluster: 'theirs', namespace: 'n', name: 's', uid: 'u' },
    spec: { scheme: 'public', families: ['IPv4'], requestedAddresses: [] },
  }
}
