/** The memory cloud as a world of the conformance suite. */
import type { World } from '../conformance-world.ts'
import { CloudError } from '../contract.ts'
import { createMemoryCloud } from './cloud.ts'
import { createMemoryProvider } from './provider.ts'

export function memoryWorld(): World {
  const cloud = createMemoryCloud()
  return {
    provider: createMemoryProvider(cloud),
    providerId: (node) => `memory://${node}`,
    documentParameters: { 'shared-document': 'firewall' },
    async restart() {
      cloud.reconnect()
      return createMemoryProvider(cloud)
    },
    interrupt: (calls, last) => cloud.interrupt(calls, last),
    fail(kind) {
      const error = new CloudError(kind, `the cloud is ${kind}`, kind === 'throttled' ? { retryAfterSeconds: 1 } : {})
      cloud.failures.push({ match: (call) => 'key' in call, error, times: 1 })
    },
    mutations: async () => cloud.mutations().map(({ verb, kind, key }) => ({ verb, kind, key })),
    inventory: async () => cloud.inventory(),
    squat: async (resource) => cloud.squat(resource),
    hold: () => {
      cloud.hold = true
    },
    async settle() {
      cloud.settle()
    },
    close: async () => {},
  }
}
