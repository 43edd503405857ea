import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { execCommand } from '../../sandbox/nodes/exec.ts'
import { listNamespaces } from '../../sandbox/nodes/netns.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import { realUid, userNamespaceLauncher } from '../../sandbox/nodes/userns.ts'
import { requires } from '../../scripts/requires.ts'

/** Some user that is not root. */
const nobody = 65_534
const skip =
  realUid(0) === 0 ? requires('linux', 'root', 'ip', 'nsenter', 'unshare') : 'this run is in a user namespace itself'
const victimMain = join(import.meta.dirname, 'victim-main.ts')

describe('an ordinary user', { skip, timeout: 60_000 }, () => {
  test('gets the same network in a user namespace, can run commands in it, and leaves nothing on the machine', async () => {
    const base = mkdtempSync(join(tmpdir(), 'roadstead-'))
    chmodSync(base, 0o777)
    const argv = [...userNamespaceLauncher(), process.execPath, victimMain, 'it-user', join(base, 'it-user')]
    const sandbox = as(nobody, argv)
    try {
      await sandbox.said(/^up/m)
      assert.deepEqual(
        listNamespaces().filter((name) => name.startsWith('rs-it-user')),
        [],
      )
      const line = execCommand({ base, instance: 'it-user', target: 'client', argv: ['ip', 'addr'], env: {} })
      assert.match(await as(nobody, line).said(/198\.51\.100\.10/), /inet/)
    } finally {
      sandbox.child.kill('SIGKILL')
      await exitOf(sandbox.child)
      rmSync(base, { recursive: true, force: true })
    }
  })
})

function as(uid: number, argv: readonly string[]) {
  const [file = '', ...args] = argv
  const child = spawn(file, args, { uid, gid: uid, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  const said = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => pattern.test(text) && resolve(text)
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          text += chunk.toString()
          look()
        })
      child.once('close', () => reject(new Error(`ended without ${pattern}: ${text}`)))
    })
  return { child, said }
}
