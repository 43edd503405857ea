/**
 * Records what a real kube-apiserver answers to the corpus:  node scripts/record-corpus.ts FOLDER [AREA...]
 * FOLDER holds the executables kube-apiserver and etcd (v1.36). Writes integration/apiserver/corpus/AREA.answers.json.
 * With `--server URL --token TOKEN` instead of FOLDER a running server is asked.
 */
import { parseArgs } from 'node:util'
import { areas, scenariosOf, writeAnswers } from '../integration/apiserver/corpus-files.ts'
import { replay } from '../integration/apiserver/replay.ts'
import { sendTo } from '../integration/apiserver/send.ts'
import { startRealApiServer } from './real-apiserver.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { server: { type: 'string' }, token: { type: 'string' } },
})
const folder = values.server === undefined ? positionals[0] : undefined
const chosen = values.server === undefined ? positionals.slice(1) : positionals
if (folder === undefined && values.server === undefined) {
  console.error('usage: node scripts/record-corpus.ts FOLDER [AREA...]   (FOLDER holds kube-apiserver and etcd)')
  process.exit(2)
}
const real = folder === undefined ? undefined : await startRealApiServer(folder)
try {
  const send = sendTo(real?.url ?? values.server ?? '', real?.token ?? values.token)
  for (const area of chosen.length > 0 ? chosen : areas()) {
    const answers = []
    for (const scenario of scenariosOf(area)) {
      answers.push({ name: scenario.name, answers: await replay(send, scenario) })
    }
    writeAnswers(area, answers)
    console.log(`${area}: ${answers.reduce((sum, { answers }) => sum + answers.length, 0)} answers`)
  }
} finally {
  await real?.stop()
}
