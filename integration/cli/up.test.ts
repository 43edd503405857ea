import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { systemClock } from '../../kube/clock.ts'
import { claimInstance, namespacesOf, releaseInstance, sweepDead } from '../../sandbox/nodes/instance.ts'
import { ownRunFolder } from '../../sandbox/nodes/own-run-folder.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import { requires } from '../../scripts/requires.ts'
import { projectRoot } from '../../scripts/source-files.ts'

const skip = requires('linux', 'root', 'nft', 'ip', 'nsenter')
const started: ChildProcess[] = []
after(async () => {
  for (const child of started) child.kill('SIGKILL')
  await sweepDead(systemClock)
})

interface Running {
  child: ChildProcess
  output: () => string
  /** Waits until the output matches, at most 60 s. */
  says: (text: RegExp) => Promise<RegExpExecArray>
}

function up(name: string, ...flags: string[]): Running {
  const child = spawn(process.execPath, [join(projectRoot, 'cli/main.ts'), 'up', '--name', name, ...flags])
  started.push(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  return {
    child,
    output: () => output,
    async says(text) {
      const end = Date.now() + 60_000
      for (;;) {
        const found = text.exec(output)
        if (found) return found
        assert.ok(Date.now() < end && child.exitCode === null, `no ${text} in:\n${output}`)
        await wait(50)
      }
    },
  }
}

describe('roadstead up', { skip }, () => {
  test('the sample answers on the machine by --publish, and Ctrl-C takes everything away', async () => {
    const name = `t-up-${process.pid}`
    const port = 20_000 + (process.pid % 10_000)
    const { child, says, output } = up(name, '--publish', `${port}=web:80`)
    await says(new RegExp(`127\\.0\\.0\\.1:${port} leads to web`))
    await says(/kubeconfig: \S+/)
    const answer = await answerOf(`http://127.0.0.1:${port}/`)
    assert.match(answer.pod, /^web-/)
    assert.notEqual(namespacesOf(name).length, 0)
    child.kill('SIGINT')
    const { code } = await exitOf(child)
    assert.equal(code, 0, output())
    assert.deepEqual(namespacesOf(name), [])
    assert.equal(existsSync(ownRunFolder(name)), false)
  })

  test('after SIGKILL the next start with the same name sweeps what was left', async () => {
    const name = `t-kill-${process.pid}`
    const first = up(name)
    await first.says(/API server on/)
    first.child.kill('SIGKILL')
    await exitOf(first.child)
    assert.notEqual(namespacesOf(name).length, 0, 'the killed sandbox left its namespaces')
    const second = up(name)
    await second.says(/targets 3\/3/)
    second.child.kill('SIGTERM')
    assert.equal((await exitOf(second.child)).code, 0, second.output())
    assert.deepEqual(namespacesOf(name), [])
  })

  test('a name in use is refused in one line and nothing of it is touched', async () => {
    const name = `t-two-${process.pid}`
    const instance = await claimInstance(name, { folder: ownRunFolder(name), pid: process.pid, clock: systemClock })
    const { child, output } = up(name)
    assert.equal((await exitOf(child)).code, 1)
    assert.match(output(), /already running/)
    assert.equal(existsSync(instance.folder), true)
    await releaseInstance(instance, systemClock)
  })
})

/** The first moments after the start may refuse: asks again for up to 10 s. */
async function answerOf(url: string): Promise<{ pod: string }> {
  const end = Date.now() + 10_000
  for (;;) {
    try {
      return (await (await fetch(url)).json()) as { pod: string }
    } catch (error) {
      if (Date.now() > end) throw error
      await wait(100)
    }
  }
}
