import assert from 'node:assert/strict'
import { get } from 'node:http'
import { test } from 'node:test'
import { configMaps } from '../../kube/resources.ts'
import { inProcessClient } from '../../sandbox/apiserver/in-process-client.ts'
import { startApiServer } from '../../sandbox/apiserver/server.ts'

const objects = 4000

/** Counts the lines of a watch until all are there or nothing has come for two seconds. The reader pauses, as a busy client does. */
function watchedLines(url: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = get(`${url}/api/v1/configmaps?watch=true`, { agent: false }, (response) => {
      let lines = 0
      const done = () => {
        request.destroy()
        resolve(lines)
      }
      let idle = setTimeout(done, 2000)
      response.on('error', () => {})
      response.on('data', (chunk: Buffer) => {
        clearTimeout(idle)
        idle = setTimeout(done, 2000)
        for (const byte of chunk) if (byte === 10) lines++
        response.pause()
        setTimeout(() => response.resume(), 1)
        if (lines >= objects) {
          clearTimeout(idle)
          done()
        }
      })
    })
    request.on('error', reject)
  })
}

test('a watch that starts with thousands of objects delivers every one to a slow reader', async () => {
  const server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
  try {
    const client = inProcessClient(server.api)
    const data = { text: 'x'.repeat(3000) }
    for (let i = 0; i < objects; i++)
      await client.create(configMaps, { metadata: { namespace: 'default', name: `c-${i}` }, data })
    for (let round = 0; round < 3; round++) assert.equal(await watchedLines(server.url), objects)
  } finally {
    await server.close()
  }
})
