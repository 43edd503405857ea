/**
 * Asks a real kube-apiserver and ours the same random series of Service writes and prints where the answers differ:
 *   node scripts/compare-random.ts FOLDER [--seed 1] [--count 100]
 * FOLDER holds the executables kube-apiserver and etcd (v1.36). Exit code 1 when something differs.
 */
import { parseArgs } from 'node:util'
import { randomScenario } from '../integration/apiserver/random-services.ts'
import { differences, replay } from '../integration/apiserver/replay.ts'
import { sendTo } from '../integration/apiserver/send.ts'
import { startApiServer } from '../sandbox/apiserver/server.ts'
import { startRealApiServer } from './real-apiserver.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seed: { type: 'string', default: '1' }, count: { type: 'string', default: '100' } },
})
const [folder] = positionals
if (folder === undefined) {
  console.error('usage: node scripts/compare-random.ts FOLDER [--seed 1] [--count 100]')
  process.exit(2)
}
const real = await startRealApiServer(folder)
const ours = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
let [steps, different] = [0, 0]
try {
  const first = Number(values.seed)
  for (let seed = first; seed < first + Number(values.count); seed++) {
    const scenario = randomScenario(seed)
    const expected = await replay(sendTo(real.url, real.token), scenario)
    const actual = await replay(sendTo(ours.url), scenario)
    steps += scenario.steps.length
    for (const i of differences(expected, actual)) {
      different += 1
      console.log(`seed ${seed} step ${i}: ${JSON.stringify(scenario.steps[i])}`)
      console.log(`  real: ${JSON.stringify(expected[i])}\n  ours: ${JSON.stringify(actual[i])}`)
    }
  }
} finally {
  await Promise.all([real.stop(), ours.close()])
}
console.log(`${steps} steps, ${different} different`)
process.exitCode = different === 0 ? 0 : 1
