/** 100 Services on 50 nodes under AWS's token buckets, with the operator's own settings. */
import { setTimeout as pause } from 'node:timers/promises'
import { openScene } from '../../integration/aws/scene.ts'
import { elbv2Buckets } from '../../localstack/buckets.ts'
import type { Emulator } from '../../localstack/emulator.ts'
import type { BenchRow } from '../row.ts'
import { clusterNodes, createAll, many, within } from './counting.ts'

/** (mutations of a create that share a bucket x Services - burst) / refill: what AWS's bucket allows at best. */
const floorSeconds = (3 * many - 20) / 3

export async function underBuckets(emulator: Emulator): Promise<BenchRow[]> {
  const scene = await openScene(emulator, {
    machines: clusterNodes,
    settings: { latencyMs: 20, buckets: elbv2Buckets },
  })
  return within(scene, async () => {
    scene.process()
    await pause(3000)
    const seconds = await createAll(scene, 240)
    return [
      { id: 'throttled.answers', value: scene.account.proxy.counts().throttled, unit: 'throttle answers' },
      { id: 'throttled.ratio', value: seconds / floorSeconds, unit: `of the floor of ${Math.round(floorSeconds)} s` },
    ]
  })
}
