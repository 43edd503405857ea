/** One Service at a time, caches warm; then a node more. */
import { openScene } from '../../integration/aws/scene.ts'
import { until } from '../../integration/aws/waiting.ts'
import type { Emulator } from '../../localstack/emulator.ts'
import type { BenchRow } from '../row.ts'
import { addNodes, mutating, registered, within } from './counting.ts'

export async function oneByOne(emulator: Emulator): Promise<BenchRow[]> {
  return within(await openScene(emulator, { machines: 4, nodes: 3 }), async (scene) => {
    const { account, cluster } = scene
    scene.process()
    const create = async (name: string, ports: number) => {
      account.forget()
      await cluster.create(name, {
        ports: Array.from({ length: ports }, (_, n) => ({ name: `p${n}`, port: 80 + n })),
      })
      await cluster.served(name, 60)
      await scene.quiet(1500)
      return account.record()
    }
    await create('first', 1)
    const one = await create('second', 1)
    const three = await create('third', 3)
    for (const name of ['second', 'third']) await cluster.remove(name)
    for (const name of ['second', 'third']) await cluster.gone(name, 60)
    await scene.quiet(1500)
    account.forget()
    await addNodes(scene, 3, 1)
    await until('the target', () => registered(account.record()) >= 1)
    await scene.quiet(1500)
    return [
      { id: 'create.calls', value: one.length, unit: 'calls, 1 port, second Service' },
      { id: 'create.mutating', value: mutating(one), unit: 'mutating calls of these' },
      { id: 'create3.calls', value: three.length, unit: 'calls, 3 ports' },
      { id: 'node.calls', value: account.calls(), unit: 'calls to add a node, 1 Service' },
    ]
  })
}
