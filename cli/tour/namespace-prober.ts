/** The Prober over the sandbox's load tool: one process a run, in the namespace of the client outside or of a Pod. */
import { spawn } from 'node:child_process'
import { dirname, join } from 'node:path'
import { sleep, systemClock } from '../../kube/clock.ts'
import type { Cluster } from '../../sandbox/cluster.ts'
import { command, tryCommand } from '../../sandbox/nodes/command.ts'
import { execCommand } from '../../sandbox/nodes/exec.ts'
import type { ProbeReport } from '../../sandbox/nodes/images/tally.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'
import type { Prober, Tally, Target } from './prober.ts'

const script = join(import.meta.dirname, '../../sandbox/nodes/images/probe-main.ts')
/** The load tool's first requests are out by then; what the step does next happens under load. */
const leadMs = 700

export function namespaceProber(cluster: Cluster, env: Readonly<Record<string, string | undefined>>): Prober {
  const { name: instance, folder } = cluster.instance
  const line = (from: string, words: readonly string[]) =>
    execCommand({ base: dirname(folder), instance, target: from, argv: [process.execPath, script, ...words], env })

  return {
    async connect(target, count, from = 'client') {
      const { stdout, stderr } = await tryCommand(line(from, [...address(target), '--count', String(count)]))
      return tally(stdout, stderr)
    },
    async load(target, perSecond, from = 'client') {
      const [file = '', ...args] = line(from, [...address(target), '--rate', String(perSecond)])
      const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] })
      let stdout = ''
      let stderr = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
      child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
      const ended = exitOf(child)
      await sleep(systemClock, leadMs)
      return {
        async stop() {
          child.kill('SIGTERM')
          await ended
          return tally(stdout, stderr)
        },
      }
    },
    async resolve(name, from) {
      const { stdout } = await tryCommand(line(from, ['dns', name, '--type', 'lookup']))
      const answers = Object.keys(report(stdout)?.answers ?? {})
      return answers.flatMap((answer) => answer.split(','))
    },
    async environment(host) {
      const fetchEnv = `fetch('http://${host}:8080/env').then((r) => r.text()).then(console.log)`
      const argv = [process.execPath, '-e', fetchEnv]
      const text = await command(execCommand({ base: dirname(folder), instance, target: 'node-1', argv, env }))
      return JSON.parse(text) as Record<string, string>
    },
  }
}

function address({ protocol, host, port, path = '/' }: Target): string[] {
  const at = `${host.includes(':') ? `[${host}]` : host}:${port}`
  return protocol === 'http' ? ['http', `http://${at}${path}`] : [protocol, at]
}

function tally(stdout: string, stderr: string): Tally {
  const seen = report(stdout)
  if (seen === undefined) throw new Error(`the load tool said nothing: ${stdout}${stderr}`)
  return {
    sent: seen.sent,
    answered: seen.ok,
    failed: seen.failed,
    failures: seen.failures,
    firstFailuresMs: seen.firstFailures.map(({ atMs }) => atMs),
    pods: seen.answers,
    nodes: seen.nodes,
    clients: seen.clients,
    p50Ms: seen.latencyMs.p50,
    p99Ms: seen.latencyMs.p99,
  }
}

function report(stdout: string): ProbeReport | undefined {
  try {
    return JSON.parse(stdout) as ProbeReport
  } catch {
    return undefined
  }
}
