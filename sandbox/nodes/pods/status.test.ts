import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Container, Pod, Probe } from '../../../kube/objects.ts'
import { afterProbe, nextProbeMs, notReadyYet, probePlan, type ProbePlan, type ProbeState } from './probe.ts'
import { type ContainerState, type ContainerView, podStatus } from './status.ts'

describe('status of a Pod', () => {
  test('before its containers start it is Pending', () =>
    assert.equal(status([view({ kind: 'waiting', reason: 'ContainerCreating' })]).phase, 'Pending'))

  test('running and ready containers make it Ready', () => {
    const { phase, conditions } = status([view(running(true)), view(running(true))])
    assert.equal(phase, 'Running')
    assert.deepEqual(
      conditions?.map(({ type, status }) => [type, status]),
      [
        ['PodScheduled', 'True'],
        ['Initialized', 'True'],
        ['ContainersReady', 'True'],
        ['Ready', 'True'],
      ],
    )
  })

  test('a container that is not ready is named', () => {
    const ready = status([view(running(true), 'a'), view(running(false), 'b')]).conditions?.at(-1)
    assert.deepEqual(
      [ready?.status, ready?.reason, ready?.message],
      ['False', 'ContainersNotReady', 'containers with unready status: [b]'],
    )
  })

  test('a crashing container keeps it Running', () => {
    const crashed = { ...view({ kind: 'waiting', reason: 'CrashLoopBackOff' }), last: ended(1), restarts: 2 }
    const { phase, containerStatuses } = status([crashed])
    assert.equal(phase, 'Running')
    assert.equal(containerStatuses?.[0]?.restartCount, 2)
    assert.deepEqual(Object.keys(containerStatuses?.[0]?.lastState ?? {}), ['terminated'])
  })

  for (const [policy, code, phase] of [
    ['Never', 0, 'Succeeded'],
    ['Never', 3, 'Failed'],
    ['OnFailure', 0, 'Succeeded'],
    ['OnFailure', 3, 'Running'],
    ['Always', 0, 'Running'],
  ] as const)
    test(`restartPolicy ${policy} and exit code ${code}: ${phase}`, () =>
      assert.equal(status([view(ended(code))], { restartPolicy: policy }).phase, phase))

  test('a deleted Pod whose containers ended cleanly Succeeded, whatever its restart policy', () =>
    assert.equal(status([view(ended(0))], { finished: true }).phase, 'Succeeded'))

  test('transition times move only with the status', () => {
    const first = status([view(running(false))], { now: 't1' })
    const second = status([view(running(true))], { now: 't2', previous: first })
    assert.deepEqual(
      second.conditions?.map(({ lastTransitionTime }) => lastTransitionTime),
      ['t1', 't1', 't2', 't2'],
    )
  })

  test('addresses of both families are there, primary first', () => {
    const { podIP, podIPs } = status([view(running(true))])
    assert.equal(podIP, '10.244.1.2')
    assert.deepEqual(podIPs, [{ ip: '10.244.1.2' }, { ip: 'fd00:244:0:1::2' }])
  })
})

describe('readiness probe', () => {
  test('no probe, no plan', () => assert.equal(probePlan({ name: 'c' }), undefined))

  test('defaults are those of core/v1', () =>
    assert.deepEqual(plan({ httpGet: { port: 80 } }), {
      target: { kind: 'http', port: 80, path: '/', headers: {} },
      initialDelayMs: 0,
      periodMs: 10_000,
      timeoutMs: 1000,
      successThreshold: 1,
      failureThreshold: 3,
    }))

  test('a port may be named', () =>
    assert.deepEqual(plan({ tcpSocket: { port: 'web' } }, [{ name: 'web', containerPort: 8080 }]).target, {
      kind: 'tcp',
      port: 8080,
    }))

  test('a name that no port has is said', () =>
    assert.equal(probePlan({ name: 'c', readinessProbe: { tcpSocket: { port: 'web' } } }), "couldn't find port: web"))

  test('a kind of probe that the sandbox does not run is said', () =>
    assert.equal(
      probePlan({ name: 'c', readinessProbe: { exec: {} } as Probe }),
      'the sandbox runs httpGet and tcpSocket probes',
    ))

  test('ready after one success, unready only after three failures in a row', () => {
    const results = [false, true, false, false, true, false, false, false, true]
    const states = results.reduce<ProbeState[]>(
      (past, ok) => [...past, afterProbe(past.at(-1) ?? notReadyYet, ok, plan({ tcpSocket: { port: 1 } }))],
      [],
    )
    assert.deepEqual(
      states.map(({ ready }) => ready),
      [false, true, true, true, true, true, true, false, true],
    )
  })

  test('it is asked more often until it was ready once', () => {
    const slow = plan({ tcpSocket: { port: 1 }, periodSeconds: 30 })
    assert.ok(nextProbeMs(slow, false) <= 250)
    assert.equal(nextProbeMs(slow, true), 30_000)
  })
})

function plan(readinessProbe: Probe, ports: NonNullable<Container['ports']> = []): ProbePlan {
  const made = probePlan({ name: 'c', ports, readinessProbe })
  assert.ok(typeof made === 'object')
  return made
}

function running(ready: boolean): ContainerState {
  return { kind: 'running', startedAt: 't', ready }
}

function ended(exitCode: number): ContainerState {
  return {
    kind: 'terminated',
    exitCode,
    reason: exitCode === 0 ? 'Completed' : 'Error',
    startedAt: 't',
    finishedAt: 't',
  }
}

function view(state: ContainerState, name = 'c'): ContainerView {
  return { spec: { name, image: 'echo' }, state, restarts: 0 }
}

function status(
  containers: ContainerView[],
  {
    restartPolicy,
    finished = false,
    previous,
    now = 't',
  }: {
    restartPolicy?: 'Always' | 'OnFailure' | 'Never'
    finished?: boolean
    previous?: Pod['status']
    now?: string
  } = {},
) {
  const pod: Pod = { metadata: { name: 'p' }, spec: { containers: [], ...(restartPolicy ? { restartPolicy } : {}) } }
  const podIPs = ['10.244.1.2', 'fd00:244:0:1::2']
  return podStatus({ pod, podIPs, hostIPs: ['172.18.0.11'], startTime: 't', containers, finished }, previous, now)
}
