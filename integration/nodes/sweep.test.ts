import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { claimInstance, InstanceInUse, namespacesOf, runFolder, sweepDead } from '../../sandbox/nodes/instance.ts'
import { createNamespaces, deleteNamespaces, listNamespaces, pidsIn, spawnIn } from '../../sandbox/nodes/netns.ts'
import { exitOf, identify, isAlive } from '../../sandbox/nodes/processes.ts'
import { requires } from '../../scripts/requires.ts'
import { clock, withNetwork } from './testing.ts'

const skip = requires('linux', 'root', 'ip', 'nsenter')
const victimMain = join(import.meta.dirname, 'victim-main.ts')

describe('sweep', { skip, timeout: 60_000 }, () => {
  test('after SIGKILL everything of the dead is removed, and nothing else', () =>
    withFolder(async (tmp) => {
      await withNetwork('it-alive', 1, async (alive) => {
        const strangers = ['rs-it-stranger', 'rs-it-nobody-node-1']
        await deleteNamespaces(strangers) // what a killed run left
        await createNamespaces(strangers)
        const living = spawnIn('rs-it-alive-node-1', ['sleep', '60'])
        const strange = spawnIn('rs-it-nobody-node-1', ['sleep', '60'])
        try {
          const victim = start('it-dead', tmp)
          const words = await saidBy(victim, 'up')
          const outside = identify(Number(/outside (\d+)/.exec(words)?.[1]))
          await kill(victim)
          assert.equal(namespacesOf('it-dead').length, 7)
          assert.ok((await sweepDead(clock)).includes('it-dead'))
          assert.deepEqual(namespacesOf('it-dead'), [])
          assert.ok(outside && !isAlive(outside))
          assert.ok(!existsSync(runFolder(tmp, 0, 'it-dead')))
          assert.ok(strangers.every((name) => listNamespaces().includes(name)))
          assert.equal(namespacesOf('it-alive').length, 5)
          assert.ok(existsSync(alive.instance.folder))
          assert.equal(living.exitCode ?? living.signalCode ?? strange.exitCode ?? strange.signalCode, null)
        } finally {
          for (const child of [living, strange]) await kill(child)
          await deleteNamespaces(strangers)
        }
      })
    }))

  test('killed at any moment of its start, nothing is left after the next sweep', () =>
    withFolder(async (tmp) => {
      for (const afterMs of [0, 5, 15, 30, 50, 80, 120, 200]) {
        const victim = start('it-cut', tmp)
        await saidBy(victim, 'claimed')
        await new Promise((resolve) => setTimeout(resolve, afterMs))
        await kill(victim)
        await sweepDead(clock)
        assert.deepEqual(
          listNamespaces().filter((name) => name.startsWith('rs-it-cut')),
          [],
          `killed after ${afterMs} ms`,
        )
        assert.ok(!existsSync(runFolder(tmp, 0, 'it-cut')))
      }
    }))

  test('namespaces whose run folder is gone are swept as well', () =>
    withFolder(async (tmp) => {
      const victim = start('it-dead', tmp)
      await saidBy(victim, 'up')
      rmSync(tmp, { recursive: true })
      await kill(victim)
      await sweepDead(clock)
      assert.deepEqual(namespacesOf('it-dead'), [])
    }))

  test('a run folder without namespaces is swept as well', () =>
    withFolder(async (tmp) => {
      const folder = runFolder(tmp, 0, 'it-rest')
      mkdirSync(folder, { recursive: true })
      writeFileSync(join(folder, 'owner.json'), JSON.stringify({ pid: 1, startTime: 1 }))
      assert.deepEqual(await sweepDead(clock, join(tmp, 'roadstead-0')), ['it-rest'])
      assert.ok(!existsSync(folder))
    }))

  test('the next start of the same name takes over what the dead one left', () =>
    withFolder(async (tmp) => {
      const first = start('it-dead', tmp)
      await saidBy(first, 'up')
      await kill(first)
      const second = start('it-dead', tmp)
      await saidBy(second, 'up')
      assert.equal(namespacesOf('it-dead').length, 7)
      await kill(second)
      await sweepDead(clock)
    }))

  test('a name that a live process has is refused', () =>
    withFolder(async (tmp) => {
      const victim = start('it-taken', tmp)
      await saidBy(victim, 'up')
      try {
        for (const other of [runFolder(tmp, 0, 'it-taken'), runFolder(tmp, 1, 'it-taken')])
          await assert.rejects(claimInstance('it-taken', { folder: other, pid: process.pid, clock }), InstanceInUse)
        assert.equal(namespacesOf('it-taken').length, 7)
      } finally {
        await kill(victim)
        await sweepDead(clock)
      }
    }))

  test('namespaces in use that nobody recorded are refused, not removed', () =>
    withFolder(async (tmp) => {
      await deleteNamespaces(['rs-it-odd-client'])
      await createNamespaces(['rs-it-odd-client'])
      const strange = spawnIn('rs-it-odd-client', ['sleep', '60'])
      try {
        await eventuallyInside('rs-it-odd-client')
        const claim = claimInstance('it-odd', { folder: runFolder(tmp, 0, 'it-odd'), pid: process.pid, clock })
        await assert.rejects(claim, /in use by pid \d+ and nobody's record/)
      } finally {
        await kill(strange)
        await deleteNamespaces(['rs-it-odd-client'])
      }
    }))
})

async function withFolder(use: (tmp: string) => Promise<void>): Promise<void> {
  const tmp = mkdtempSync(join(tmpdir(), 'rs-sweep-'))
  try {
    await use(tmp)
  } finally {
    rmSync(tmp, { recursive: true, force: true })
  }
}

function start(name: string, tmp: string): ChildProcess {
  return spawn(process.execPath, [victimMain, name, runFolder(tmp, 0, name)], { stdio: ['ignore', 'pipe', 'inherit'] })
}

/** Everything printed up to a line that starts with `word`. */
function saidBy(child: ChildProcess, word: string): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      if (new RegExp(`^${word}`, 'm').test(text)) resolve(text)
    })
    child.once('exit', () => reject(new Error(`ended before it said ${word}: ${text}`)))
  })
}

async function kill(child: ChildProcess): Promise<void> {
  const ended = exitOf(child)
  child.kill('SIGKILL')
  await ended
}

async function eventuallyInside(namespace: string): Promise<void> {
  for (let left = 200; left > 0; left -= 1) {
    if (pidsIn([namespace]).length > 0) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
