/** The columns of `kubectl get pods`, and how a Pod's state becomes one word (printPod in printers.go). */
import type { Pod } from '../../../kube/objects.ts'
import { at, plainText, textAt } from '../json.ts'
import { age, ageColumn, column, nameColumn, nameOf, orElse, since, type TableView, wide } from './column.ts'

type ContainerStatus = NonNullable<NonNullable<Pod['status']>['containerStatuses']>[number]

export const podTable: TableView = {
  columns: [
    nameColumn,
    column('Ready'),
    column('Status'),
    column('Restarts'),
    ageColumn,
    wide('IP'),
    wide('Node'),
    wide('Nominated Node'),
    wide('Readiness Gates'),
  ],
  cells(object, now) {
    const pod = object as Pod
    const statuses = pod.status?.containerStatuses ?? []
    const ready = statuses.filter((status) => status.ready && at(status.state, 'running') !== undefined).length
    return [
      nameOf(pod),
      `${ready}/${pod.spec.containers?.length ?? 0}`,
      stateWord(pod, statuses),
      restarts(statuses, now),
      age(pod, now),
      orElse(podIp(pod), '<none>'),
      orElse(pod.spec.nodeName ?? '', '<none>'),
      orElse(textAt(pod, 'status', 'nominatedNodeName'), '<none>'),
      gates(pod),
    ]
  },
}

function podIp({ status }: Pod): string {
  return status?.podIPs?.[0]?.ip ?? status?.podIP ?? ''
}

function stateWord(pod: Pod, statuses: readonly ContainerStatus[]): string {
  const phase = pod.status?.phase ?? ''
  const gone = pod.metadata.deletionTimestamp !== undefined
  if (gone && pod.status?.reason === 'NodeLost') return 'Unknown'
  if (gone && phase !== 'Succeeded' && phase !== 'Failed') return 'Terminating'
  let word = pod.status?.reason || phase
  const gated = pod.status?.conditions?.some(
    ({ type, reason }) => type === 'PodScheduled' && reason === 'SchedulingGated',
  )
  if (gated) word = 'SchedulingGated'
  let running = false
  let failure = ''
  for (const status of statuses.toReversed()) {
    const waiting = textAt(status.state, 'waiting', 'reason')
    const terminated = at(status.state, 'terminated')
    if (waiting !== '') {
      word = waiting
    } else if (terminated !== undefined) {
      const signal = at(terminated, 'signal')
      const code = at(terminated, 'exitCode') ?? 0
      word = textAt(terminated, 'reason') || (signal ? `Signal:${plainText(signal)}` : `ExitCode:${plainText(code)}`)
      if (code !== 0) failure = word
    } else if (status.ready && at(status.state, 'running') !== undefined) {
      running = true
    }
  }
  if (word !== 'Completed') return word
  const podReady = pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
  if (running && podReady) return 'Running'
  return failure || (running ? 'NotReady' : word)
}

function restarts(statuses: readonly ContainerStatus[], now: number): string {
  const count = statuses.reduce((sum, { restartCount }) => sum + (restartCount ?? 0), 0)
  const last =
    statuses
      .map((status) => textAt(status, 'lastState', 'terminated', 'finishedAt'))
      .sort()
      .at(-1) ?? ''
  return count > 0 && last !== '' ? `${count} (${since(last, now)} ago)` : String(count)
}

function gates(pod: Pod): string {
  const wanted = at(pod, 'spec', 'readinessGates')
  if (!Array.isArray(wanted) || wanted.length === 0) return '<none>'
  const passed = wanted.filter((gate) =>
    pod.status?.conditions?.some(({ type, status }) => type === textAt(gate, 'conditionType') && status === 'True'),
  )
  return `${passed.length}/${wanted.length}`
}
