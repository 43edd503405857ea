/**
 * Starts the part of kube-controller-manager and kube-scheduler that a sandbox needs, in this process:
 * scheduler, endpoint slices, Endpoints and their mirroring, Deployments, namespaces, Pods of lost nodes, garbage collection.
 */
import { createEventRecorder } from '../../kube/event-recorder.ts'
import { garbageCollector } from './cleanup/garbage.ts'
import { namespaceController } from './cleanup/namespaces.ts'
import { podCleanup } from './cleanup/pods.ts'
import { deploymentController } from './deployments/controller.ts'
import { endpointSliceController } from './endpoint-slices/controller.ts'
import { endpointsController, mirroringController } from './endpoints/controllers.ts'
import { scheduler } from './scheduler/scheduler.ts'
import { type Surroundings, startWorld, stopWorld, worldSynced } from './world.ts'

export interface Controllers {
  /** Resolves when every cache is complete; nothing is written before. Stays pending when stopped earlier. */
  readonly synced: Promise<void>
  /** Resolves when the last request is closed. */
  stop(): Promise<void>
}

export function startControllers(surroundings: Surroundings): Controllers {
  const world = startWorld(surroundings)
  const garbage = garbageCollector(world, surroundings)
  const recorderOf = (component: string) => createEventRecorder({ ...surroundings, component })
  const recorders = {
    scheduler: recorderOf('default-scheduler'),
    deployments: recorderOf('deployment-controller'),
    evictions: recorderOf('taint-eviction-controller'),
  }
  const loops = [
    scheduler(world, surroundings, recorders.scheduler),
    endpointSliceController(world, surroundings),
    endpointsController(world, surroundings),
    mirroringController(world, surroundings),
    deploymentController(world, surroundings, recorders.deployments),
    namespaceController(world, surroundings),
    podCleanup(world, surroundings, recorders.evictions),
    garbage,
  ]
  const begin = async () => {
    await Promise.all([worldSynced(world), garbage.synced])
    for (const loop of loops) loop.start()
  }
  return {
    synced: begin(),
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()))
      await Promise.all(Object.values(recorders).map((recorder) => recorder.stop()))
      await stopWorld(world)
    },
  }
}
