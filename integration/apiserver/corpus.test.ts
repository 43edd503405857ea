/**
 * The sandbox API server against recorded answers of a real kube-apiserver v1.36: same requests, same code, reason, message, causes,
 * warnings and object. Steps in corpus/exceptions.json differ on purpose, and must go on differing.
 */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { type ApiServer, startApiServer } from '../../sandbox/apiserver/server.ts'
import { answersOf, areas, exceptions, scenariosOf } from './corpus-files.ts'
import { differences, replay } from './replay.ts'
import { sendTo } from './send.ts'

let server: ApiServer

before(async () => {
  server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
})
after(() => server.close())

for (const area of areas()) {
  describe(area, () => {
    const recorded = new Map(answersOf(area).map(({ name, answers }) => [name, answers]))
    for (const scenario of scenariosOf(area)) {
      test(scenario.name, async () => {
        const expected = recorded.get(scenario.name)
        assert.ok(expected, 'not recorded: node scripts/record-corpus.ts FOLDER')
        const actual = await replay(sendTo(server.url), scenario)
        const excused = exceptions()
          .filter((exception) => exception.area === area && exception.scenario === scenario.name)
          .map(({ step }) => step)
        const different = differences(expected, actual)
        for (const i of different) {
          if (!excused.includes(i)) {
            assert.deepEqual(actual[i], expected[i], `step ${i}: ${JSON.stringify(scenario.steps[i])}`)
          }
        }
        assert.deepEqual(
          excused.filter((i) => !different.includes(i)),
          [],
          'these steps are equal now: drop the exceptions',
        )
      })
    }
  })
}
