/**
 * The local provider over its real control API (HTTP on a unix socket), as a world of the conformance suite. Lost answers are
 * connections really cut, dead connections a socket nobody listens on.
 */
import { request } from 'node:http'
import type { World } from '../../providers/conformance-world.ts'
import type { Faults } from '../../providers/local/balancer/faults.ts'
import type { LocalCloud } from '../../providers/local/cloud.ts'
import { createHttpCloud } from '../../providers/local/http.ts'
import { createLocalProvider } from '../../providers/local/provider.ts'
import { asSuite, localNode, squatterOf } from '../../providers/local/world.ts'
import { hourMs, startApiServer } from './api-server.ts'

export async function apiWorld(): Promise<World> {
  const server = await startApiServer()
  const { socketPath, deadPath, balancer } = server
  const { core } = balancer

  const real = createHttpCloud(`unix:${socketPath}`)
  const nowhere = createHttpCloud(`unix:${deadPath}`)
  let interruption: { left: number; last: 'done' | 'not-done' } | undefined
  const forMutation = async (): Promise<LocalCloud> => {
    if (!interruption) return real
    if (--interruption.left < 0) return nowhere
    if (interruption.left > 0) return real
    if (interruption.last === 'not-done') return nowhere
    await patchFaults(socketPath, { lostReplies: 1 })
    return real
  }
  const cloud: LocalCloud = {
    list: (tags, signal) => (interruption && interruption.left <= 0 ? nowhere : real).list(tags, signal),
    create: async (object, signal) => (await forMutation()).create(object, signal),
    update: async (object, signal) => (await forMutation()).update(object, signal),
    remove: async (kind, name, tags, signal) => (await forMutation()).remove(kind, name, tags, signal),
  }

  return {
    provider: createLocalProvider(cloud),
    providerId: localNode,
    async restart() {
      interruption = undefined
      return createLocalProvider(cloud)
    },
    interrupt(calls, last) {
      interruption = { left: calls, last }
    },
    fail(kind) {
      const once = { throttled: { throttle: 1, retryAfterSeconds: 3 }, unavailable: { errors: 1 } }
      core.faults = { ...core.faults, ...once[kind] }
    },
    mutations: async () => core.mutations().map(asSuite),
    inventory: async () =>
      core
        .list(() => true)
        .map((object) => JSON.stringify(object))
        .sort(),
    squat: async (resource) => core.change({ verb: 'create', request: squatterOf(resource) }),
    hold() {
      core.faults = { ...core.faults, provisioningMs: hourMs / 2 }
      server.hold()
    },
    settle: () => server.settle(),
    close: () => server.close(),
  }
}

function patchFaults(socketPath: string, faults: Partial<Faults>): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath, method: 'PATCH', path: '/v1/faults', agent: false }, (response) => {
      response.resume()
      response.on('end', resolve)
    })
    call.on('error', reject)
    call.end(JSON.stringify(faults))
  })
}
