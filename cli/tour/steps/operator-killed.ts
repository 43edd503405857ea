import { systemClock } from '../../../kube/clock.ts'
import { setCloudLag } from '../cloud-lag.ts'
import { loadBalancerService } from '../manifests.ts'
import { hold, type Step, type World } from '../world.ts'
import { underLoad } from './under-load.ts'

const names = ['crash-1', 'crash-2', 'crash-3', 'crash-4']
/** A provisioning takes about a second then, and a kill lands inside it. */
const lagMs = 150

/** Step 7: SIGKILL at different moments of provisioning; the next operator finishes it, and nothing exists twice. */
export const operatorKilled: Step = {
  name: 'operator killed while provisioning, started again: converged, no duplicate, nothing else disturbed',
  run: (world) =>
    underLoad(world, 'web', async () => {
      const wanted = (await world.cloudObjects('web')).length
      const start = systemClock.now()
      const halfway: number[] = []
      await setCloudLag(world.cluster.balancerEndpoint, lagMs)
      try {
        for (const [index, name] of names.entries()) halfway.push(await killDuring(world, name, index))
      } finally {
        await setCloudLag(world.cluster.balancerEndpoint, 0)
      }
      hold(
        halfway.some((objects) => objects < wanted),
        `no kill landed inside a provisioning: ${halfway.join(', ')} of ${wanted} objects existed`,
      )
      for (const name of names) {
        const host = await world.address(name)
        await world.wait(`${name} to answer`, 30, async () =>
          (await world.prober.connect({ protocol: 'http', host, port: 80 }, 1)).answered === 1 ? true : undefined,
        )
        const objects = await world.cloudObjects(name)
        hold(
          objects.length === wanted,
          `${name} has ${objects.length} cloud objects instead of ${wanted}: ${objects.join(', ')}`,
        )
      }
      const convergedMs = systemClock.now() - start
      const leaked = await removeAll(world)
      return { kills: names.length, objectsAtKill: halfway.join(' '), objectsWanted: wanted, leaked, convergedMs }
    }),
}

/** Kills the operator after the finalizer (index 0), or after so many cloud objects; answers how many there were then. */
async function killDuring(world: World, name: string, index: number): Promise<number> {
  const { operator } = world.cluster
  await world.apply(loadBalancerService({ name, app: 'web' }))
  await world.wait(`the operator to work on ${name}`, 20, async () => {
    const finalized = ((await world.service(name))?.metadata.finalizers ?? []).length > 0
    return (index === 0 ? finalized : (await world.cloudObjects(name)).length >= index) ? true : undefined
  })
  await operator.stop('SIGKILL')
  const objects = await world.cloudObjects(name)
  operator.start()
  return objects.length
}

async function removeAll(world: World): Promise<number> {
  for (const name of names) await world.removeService(name)
  await world.wait('the four Services to be gone', 60, async () => {
    const left = await Promise.all(names.map((name) => world.service(name)))
    return left.every((service) => service === undefined) ? true : undefined
  })
  const left = (await Promise.all(names.map((name) => world.cloudObjects(name)))).flat()
  hold(left.length === 0, `left in the cloud: ${left.join(', ')}`)
  return left.length
}
