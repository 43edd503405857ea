/** The launcher: what EMULATOR may say, and that a moto server never outlives who started it. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { requires } from '../scripts/requires.ts'
import { startEmulator } from './emulator.ts'

const answers = async (url: string) =>
  await fetch(`${url}/moto-api/data.json`, { signal: AbortSignal.timeout(2000) }).then(
    ({ ok }) => ok,
    () => false,
  )

describe('the emulator', () => {
  test('something that is neither a name nor a URL is refused', async () => {
    await assert.rejects(startEmulator({ kind: 'frob' }), /EMULATOR=frob: neither moto, localstack nor a URL/)
  })

  test('an address where nothing listens is said, for localstack with the command that starts it', async () => {
    await assert.rejects(startEmulator({ kind: 'http://127.0.0.1:9' }), /nothing answers at http:\/\/127.0.0.1:9$/)
    const environment = { LOCALSTACK_URL: 'http://127.0.0.1:9' }
    await assert.rejects(startEmulator({ kind: 'localstack', environment }), /docker compose .*--profile localstack up/)
  })

  test('moto answers until it is closed', { skip: requires('moto') }, async () => {
    const emulator = await startEmulator({ kind: 'moto' })
    assert.equal(emulator.kind, 'moto')
    assert.equal(await answers(emulator.url), true)
    const other = await startEmulator({ kind: emulator.url })
    await other.close()
    assert.equal(await answers(emulator.url), true, 'what was not started here is not ended here')
    await emulator.close()
    assert.equal(await answers(emulator.url), false)
  })

  test('moto ends when its parent is killed', { skip: requires('moto') }, async () => {
    const script = `
      import { startEmulator } from ${JSON.stringify(new URL('emulator.ts', import.meta.url).href)}
      console.log((await startEmulator({ kind: 'moto' })).url)
      setInterval(() => undefined, 1000)`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const [url] = (await once(createInterface({ input: parent.stdout }), 'line')) as [string]
    assert.equal(await answers(url), true)
    parent.kill('SIGKILL')
    await once(parent, 'close')
    let alive = true
    for (let tries = 0; alive && tries < 50; tries++) {
      alive = await answers(url)
      if (alive) await pause(50)
    }
    assert.equal(alive, false)
  })
})
