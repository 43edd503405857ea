/** Step 9: what a Pod in the cluster can rely on: every kind of Service, DNS, environment variables, session affinity. */
import { systemClock } from '../../../kube/clock.ts'
import { services } from '../../../kube/resources.ts'
import { service, toolPod } from '../manifests.ts'
import type { Tally, Target } from '../prober.ts'
import { hold, type Figures, type Step, type World } from '../world.ts'

const affinitySeconds = 3
const pod = 'pod/default/tool'

export const inside: Step = {
  name: 'ClusterIP, NodePort, headless, ExternalName, selectorless, affinity, DNS and environment from inside a Pod',
  async run(world) {
    const node = world.cluster.network.nodes()[0]?.name ?? ''
    const webPods = await world.readyPods('web')
    await world.apply(
      [
        service({ name: 'inner', app: 'web' }),
        service({ name: 'np', app: 'web', spec: { type: 'NodePort' } }),
        service({ name: 'headless', app: 'web', spec: { clusterIP: 'None' } }),
        service({
          name: 'sticky',
          app: 'web',
          spec: {
            sessionAffinity: 'ClientIP',
            sessionAffinityConfig: `{ clientIP: { timeoutSeconds: ${affinitySeconds} } }`,
          },
        }),
        'apiVersion: v1\nkind: Service\nmetadata: { name: outer }\nspec: { type: ExternalName, externalName: inner.default.svc.cluster.local }',
        service({ name: 'byhand' }),
        handWrittenSlice('byhand', webPods[0]?.status?.podIP ?? ''),
      ].join('\n---\n'),
    )
    await world.apply(toolPod('tool', node))
    const [tool] = await world.podsReady('tool', 1)

    const answered = async (target: Target, count: number) => {
      const tally = await world.wait(`${target.host}:${target.port} to answer inside`, 15, async () => {
        const seen = await world.prober.connect(target, count, pod)
        return seen.failed === 0 ? seen : undefined
      })
      return Object.keys(tally.pods).length
    }
    const inner = await world.client.get(services, { namespace: 'default', name: 'inner' })
    const nodePort = (await world.service('np'))?.spec.ports?.[0]?.nodePort ?? 0
    const nodeAddress = world.cluster.network.nodes()[0]?.addresses.IPv4 ?? ''
    const figures = {
      clusterIp: await answered({ protocol: 'http', host: inner.spec.clusterIP ?? '', port: 80 }, 60),
      byName: await answered({ protocol: 'http', host: 'inner', port: 80 }, 60),
      udpByName: await answered({ protocol: 'udp', host: 'inner.default', port: 9001 }, 60),
      nodePort: await answered({ protocol: 'http', host: nodeAddress, port: nodePort }, 60),
      headless: await answered({ protocol: 'http', host: 'headless', port: 8080 }, 10),
      externalName: await answered({ protocol: 'http', host: 'outer', port: 80 }, 20),
      selectorless: await answered({ protocol: 'http', host: 'byhand', port: 80 }, 10),
    }
    for (const kind of ['clusterIp', 'byName', 'udpByName', 'nodePort'] as const)
      hold(figures[kind] === webPods.length, `${kind} reached ${figures[kind]} of ${webPods.length} Pods`)
    hold(figures.selectorless === 1, `the hand-written slice reached ${figures.selectorless} Pods`)
    return {
      ...figures,
      ...(await dnsAndEnvironment(world, webPods.length, tool?.status?.podIP ?? '')),
      ...(await affinity(world)),
    }
  },
}

async function dnsAndEnvironment(world: World, ready: number, tool: string): Promise<Figures> {
  const look = async (name: string) => (await world.prober.resolve(name, pod)).length
  const headlessAddresses = await look('headless')
  hold(headlessAddresses === ready, `headless resolves to ${headlessAddresses} addresses, ${ready} Pods are ready`)
  const unknown = await look('no-such-name.example.com')
  hold(unknown === 0, 'a name outside the cluster resolves')
  const environment = await world.prober.environment(tool)
  const inner = await world.service('inner')
  hold(
    environment['INNER_SERVICE_HOST'] === inner?.spec.clusterIP && environment['INNER_SERVICE_PORT'] === '80',
    `INNER_SERVICE_HOST=${environment['INNER_SERVICE_HOST']} INNER_SERVICE_PORT=${environment['INNER_SERVICE_PORT']}`,
  )
  return {
    headlessAddresses,
    serviceVariables: Object.keys(environment).filter((name) => name.endsWith('_SERVICE_HOST')).length,
  }
}

/** Sticks for 20 connections, and is free again after the time-out (another Pod within a few tries). */
async function affinity(world: World): Promise<Figures> {
  const target: Target = { protocol: 'http', host: 'sticky', port: 80 }
  const pods = (tally: Tally) => Object.keys(tally.pods)
  const first = await world.prober.connect(target, 20, pod)
  hold(
    first.failed === 0 && pods(first).length === 1,
    `affinity: ${first.failed} failed, ${pods(first).length} Pods answered`,
  )
  let moved = false
  let tries = 0
  // One in six keeps the same Pod by chance: five tries leave a chance of 1 in 7,776 to be fooled.
  while (!moved && tries < 5) {
    tries++
    const until = systemClock.now() + (affinitySeconds + 1.2) * 1000
    await world.wait('affinity to expire', 10, () => (systemClock.now() > until ? true : undefined))
    moved = pods(await world.prober.connect(target, 1, pod)).join() !== pods(first).join()
  }
  hold(moved, `affinity did not end after ${affinitySeconds} s, ${tries} tries`)
  return { affinityTries: tries }
}

function handWrittenSlice(name: string, address: string): string {
  return `
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: ${name}-1, labels: { kubernetes.io/service-name: ${name} } }
addressType: IPv4
endpoints: [{ addresses: ["${address}"], conditions: { ready: true } }]
ports: [{ name: http, port: 8080, protocol: TCP }, { name: udp, port: 9001, protocol: UDP }]
`
}
