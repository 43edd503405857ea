import assert from 'node:assert/strict'
import { ChildProcess } from 'node:child_process'
import { describe, test } from 'node:test'
import type { Probe } from '../../../kube/objects.ts'
import { createVirtualClock } from '../../../kube/virtual-clock.ts'
import { ImageError, kubeletBackoff, startContainer } from './container.ts'

describe('container', () => {
  test('without a probe it is ready as soon as it runs', async () => {
    const { container, clock } = started()
    await clock.advance(0)
    assert.deepEqual(kindAndReady(container.view().state), ['running', true])
  })

  test('after a crash it is started again at once, then after 10 s, 20 s, 40 s', async () => {
    const { launched, clock, exit } = started()
    const starts: number[] = []
    for (const waitMs of [0, 10_000, 20_000, 40_000]) {
      await clock.advance(0)
      await exit(1)
      const before = launched.length
      await clock.advance(Math.max(waitMs - 1, 0))
      if (waitMs > 0) assert.equal(launched.length, before)
      await clock.advance(1)
      starts.push(launched.length)
    }
    assert.deepEqual(starts, [2, 3, 4, 5])
  })

  test('while it waits it says CrashLoopBackOff and how it ended', async () => {
    const { container, clock, exit } = started()
    await clock.advance(0)
    await exit(0)
    await clock.advance(0)
    await exit(7)
    const { state, last, restarts } = container.view()
    assert.equal(state.kind === 'waiting' && state.reason, 'CrashLoopBackOff')
    assert.equal(last?.kind === 'terminated' && last.exitCode, 7)
    assert.equal(restarts, 1)
  })

  test('ten minutes of running forget the crashes before', async () => {
    const { launched, clock, exit } = started()
    await clock.advance(0)
    await exit(1)
    await clock.advance(kubeletBackoff.forgetAfterMs)
    await exit(1)
    await clock.advance(0)
    assert.equal(launched.length, 3)
  })

  test('an image that is not there is looked for again, ever later, and started once it is there', async () => {
    let missing = true
    const { container, launched, clock, reports } = started({ refuse: () => missing && new ImageError('no image') })
    await clock.advance(0)
    const { state } = container.view()
    assert.equal(state.kind === 'waiting' && state.reason, 'ErrImagePull')
    await clock.advance(10_000)
    assert.deepEqual(reports, ['Failed', 'Failed'])
    missing = false
    await clock.advance(20_000)
    assert.equal(launched.length, 1)
    assert.equal(container.view().restarts, 0)
  })

  test('stop sends SIGTERM and lets it end by itself', async () => {
    const { container, launched, clock, exit } = started()
    await clock.advance(0)
    const stopped = container.stop(30_000)
    assert.deepEqual(launched[0]?.signals, ['SIGTERM'])
    await exit(0)
    await stopped
    assert.equal(container.view().state.kind, 'terminated')
    assert.equal(clock.pending, 0)
  })

  test('stop during the back-off starts nothing more', async () => {
    const { container, launched, clock, exit } = started()
    for (const code of [1, 1]) {
      await clock.advance(0)
      await exit(code)
    }
    await container.stop(1000)
    await clock.advance(60_000)
    assert.equal(launched.length, 2)
    assert.equal(container.view().state.kind, 'terminated')
  })

  test('restartPolicy Never keeps how it ended', async () => {
    const { container, launched, clock, exit } = started({ restartPolicy: 'Never' })
    await clock.advance(0)
    await exit(3)
    await clock.advance(60_000)
    const { state } = container.view()
    assert.equal(state.kind === 'terminated' && state.exitCode, 3)
    assert.equal(launched.length, 1)
  })

  test('it is ready while the probe says so, and unready again when it starts anew', async () => {
    let healthy = true
    const readinessProbe = { tcpSocket: { port: 80 }, periodSeconds: 1, failureThreshold: 2 }
    const { container, clock, exit } = started({ readinessProbe, probe: () => (healthy ? undefined : 'refused') })
    const ready = () => kindAndReady(container.view().state)[1]
    await clock.advance(0)
    assert.equal(ready(), true)
    healthy = false
    await clock.advance(1000)
    assert.equal(ready(), true)
    await clock.advance(1000)
    assert.equal(ready(), false)
    await exit(1)
    await clock.advance(0)
    assert.equal(ready(), false)
    healthy = true
    await clock.advance(250)
    assert.equal(ready(), true)
  })
})

interface Options {
  restartPolicy?: 'Always' | 'Never'
  readinessProbe?: Probe
  probe?: () => string | undefined
  refuse?: () => Error | false
}

/** A container whose processes exist only here. */
function started(options: Options = {}) {
  const clock = createVirtualClock()
  const launched: ReturnType<typeof fakeProcess>[] = []
  const reports: string[] = []
  const container = startContainer({
    spec: { name: 'c', ...(options.readinessProbe ? { readinessProbe: options.readinessProbe } : {}) },
    restartPolicy: options.restartPolicy ?? 'Always',
    launch() {
      const refusal = options.refuse?.()
      if (refusal) throw refusal
      const process = fakeProcess()
      launched.push(process)
      return process.child
    },
    probe: async () => options.probe?.(),
    backoff: kubeletBackoff,
    clock,
    onChange: () => {},
    report: (_type, reason) => void reports.push(reason),
  })
  const exit = async (code: number) => {
    launched.at(-1)?.exit(code)
    await clock.advance(0)
  }
  return { container, clock, launched, reports, exit }
}

function fakeProcess() {
  const child = new ChildProcess()
  const signals: string[] = []
  child.kill = (signal) => {
    signals.push(String(signal))
    return true
  }
  return { child, signals, exit: (code: number) => child.emit('exit', code, null) }
}

function kindAndReady(state: { kind: string; ready?: boolean }): [string, boolean | undefined] {
  return [state.kind, state.ready]
}
