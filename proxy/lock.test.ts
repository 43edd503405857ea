import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AlreadyRunning, takeLock } from './lock.ts'

describe('the lock', { skip: process.platform === 'linux' ? false : 'abstract sockets are of Linux' }, () => {
  const name = `\0roadstead-proxy-test-${process.pid}`

  test('the second one is refused and told who has it; released, it is free', async () => {
    const first = await takeLock('process 1', name)
    await assert.rejects(
      takeLock('process 2', name),
      (error) =>
        error instanceof AlreadyRunning && /runs on this node \(process 1\): stop it first/.test(error.message),
    )
    await first.release()
    const second = await takeLock('process 2', name)
    await second.release()
  })
})
