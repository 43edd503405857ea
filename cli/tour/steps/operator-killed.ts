import { systemClock } from '../../../kube/clock.ts'
import { loadBalancerService } from '../manifests.ts'
import { hold, type Step } from '../world.ts'
import { underLoad } from './under-load.ts'

const names = ['crash-1', 'crash-2', 'crash-3', 'crash-4']

/** Step 7: SIGKILL at different moments of provisioning; the next operator finishes it, and nothing exists twice. */
export const operatorKilled: Step = {
  name: 'operator killed while provisioning, started again: converged, no duplicate, nothing else disturbed',
  run: (world) =>
    underLoad(world, 'web', async () => {
      const { operator } = world.cluster
      const start = systemClock.now()
      let kills = 0
      for (const [index, name] of names.entries()) {
        await world.apply(loadBalancerService({ name, app: 'web' }))
        // Kill after the finalizer for the first, after the first, second, third cloud object for the others.
        await world.wait(`the operator to work on ${name}`, 20, async () => {
          const finalized = ((await world.service(name))?.metadata.finalizers ?? []).length > 0
          const made = (await world.cloudObjects(name)).length
          return (index === 0 ? finalized : made >= index) ? true : undefined
        })
        await operator.stop('SIGKILL')
        kills++
        operator.start()
      }
      for (const name of names) {
        const host = await world.address(name)
        await world.wait(`${name} to answer`, 30, async () =>
          (await world.prober.connect({ protocol: 'http', host, port: 80 }, 1)).answered === 1 ? true : undefined,
        )
      }
      const wanted = (await world.cloudObjects('web')).length
      for (const name of names) {
        const objects = await world.cloudObjects(name)
        hold(
          objects.length === wanted,
          `${name} has ${objects.length} cloud objects instead of ${wanted}: ${objects.join(', ')}`,
        )
      }
      const convergedMs = systemClock.now() - start
      for (const name of names) await world.removeService(name)
      await world.wait('the four Services to be gone', 60, async () => {
        const left = await Promise.all(names.map((name) => world.service(name)))
        return left.every((service) => service === undefined) ? true : undefined
      })
      for (const name of names) {
        const objects = await world.cloudObjects(name)
        hold(objects.length === 0, `left in the cloud: ${objects.join(', ')}`)
      }
      return { kills, services: names.length, duplicates: 0, leaked: 0, convergedMs }
    }),
}
