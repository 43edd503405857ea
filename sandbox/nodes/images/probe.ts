/**
 * Load tool of the sandbox: opens connections at a count or at a rate and tells in JSON who answered, what failed and why, and how long
 * it took. Every request is a connection (or UDP flow) of its own unless `--keep` says otherwise. A rate is an open loop: a slow answer
 * does not delay the next request, so a pause of the service shows as failures, not as silence.
 */
import { lookup, Resolver } from 'node:dns/promises'

import { parseArgs } from 'node:util'
import { type Attempt, httpAttempts, tcpAttempts, udpAttempts } from './attempts.ts'
import { createTally, type ProbeReport } from './tally.ts'

interface ProbeOptions {
  /** Requests in total; 0: no limit. */
  count: number
  /** Requests per second; 0: as fast as `concurrency` allows. */
  rate: number
  /** Length of the run; 0: until the count is reached or the signal aborts. */
  seconds: number
  concurrency: number
  timeoutMs: number
  /** One connection or UDP socket for all requests. */
  keep: boolean
  /** DNS: record type, or `lookup` for getaddrinfo with the search path. */
  type: string
  /** DNS server; the system's when empty. */
  server: string
}

const usage =
  'usage: probe http URL | tcp HOST:PORT | udp HOST:PORT | dns NAME  [--count N] [--rate N --seconds N] [--concurrency N] [--timeout-ms N] [--keep] [--type A|AAAA|SRV|PTR|CNAME|lookup] [--server IP]'

/** Runs the tool with the words of a command line, prints one JSON line, answers the exit code: 0 no failure, 1 failures, 2 usage. */
export async function probeCommand(
  argv: readonly string[],
  print: (line: string) => void,
  signal?: AbortSignal,
): Promise<number> {
  let kind: string
  let target: string
  let options: ProbeOptions
  try {
    ;({ kind, target, options } = readArguments(argv))
  } catch (error) {
    print(`${error instanceof Error ? error.message : String(error)}\n${usage}`)
    return 2
  }
  const report = await runProbe(kind, target, options, signal)
  print(JSON.stringify(report))
  return report.failed === 0 ? 0 : 1
}

/** Throws RangeError for a kind it does not know. */
async function runProbe(
  kind: string,
  target: string,
  options: ProbeOptions,
  signal?: AbortSignal,
): Promise<ProbeReport> {
  const attempts = attemptsOf(kind, target, options)
  const tally = createTally(kind, target, performance.now())
  try {
    await drive(attempts.next, tally, options, signal)
  } finally {
    attempts.close()
  }
  return tally.report(performance.now())
}

function attemptsOf(kind: string, target: string, options: ProbeOptions): { next: Attempt; close: () => void } {
  const { timeoutMs, keep } = options
  if (kind === 'http') return httpAttempts(target, { timeoutMs, keep })
  if (kind === 'tcp') return tcpAttempts(hostPort(target), { timeoutMs, keep })
  if (kind === 'udp') return udpAttempts(hostPort(target), { timeoutMs, keep })
  if (kind === 'dns') return { next: dnsAttempt(target, options), close: () => {} }
  throw new RangeError(`unknown kind ${kind}`)
}

function dnsAttempt(name: string, { timeoutMs, type, server }: ProbeOptions): Attempt {
  return async () => {
    if (type === 'lookup') {
      const found = await lookup(name, { all: true })
      return {
        answer: found
          .map(({ address }) => address)
          .sort()
          .join(','),
      }
    }
    const resolver = new Resolver({ timeout: timeoutMs, tries: 1 })
    if (server) resolver.setServers([server])
    const records = type === 'PTR' ? await resolver.reverse(name) : await resolver.resolve(name, type)
    const texts = Array.isArray(records)
      ? records.map((record) => (typeof record === 'string' ? record : JSON.stringify(record)))
      : [JSON.stringify(records)]
    return { answer: texts.sort().join(',') }
  }
}

/** Starts attempts as count, rate and concurrency say, until the end; waits for those that are open. */
async function drive(
  attempt: Attempt,
  tally: ReturnType<typeof createTally>,
  options: ProbeOptions,
  signal?: AbortSignal,
): Promise<void> {
  const { count, rate, seconds, concurrency } = options
  const began = performance.now()
  const open = new Set<Promise<void>>()
  let sent = 0
  const over = () =>
    signal?.aborted === true ||
    (count > 0 && sent >= count) ||
    (seconds > 0 && performance.now() - began >= seconds * 1000)
  const launch = () => {
    sent += 1
    const one = measured(attempt, tally).finally(() => open.delete(one))
    open.add(one)
  }
  while (!over()) {
    if (rate > 0) {
      const due = Math.floor(((performance.now() - began) * rate) / 1000) + 1 - sent
      for (let one = 0; one < due && !over(); one += 1) launch()
      await pause(Math.min(5, 1000 / rate))
    } else {
      launch()
      if (open.size >= concurrency) await Promise.race(open)
    }
  }
  await Promise.all(open)
}

async function measured(attempt: Attempt, tally: ReturnType<typeof createTally>): Promise<void> {
  const began = performance.now()
  try {
    const answer = await attempt()
    tally.ok(answer, began, performance.now())
  } catch (error) {
    tally.failed(reasonOf(error), began)
  }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function hostPort(text: string): { host: string; port: number } {
  const parts = /^(?:\[(.+)\]|([^:]+)):(\d+)$/.exec(text)
  if (!parts) throw new RangeError(`${JSON.stringify(text)} is not HOST:PORT`)
  return { host: parts[1] ?? parts[2] ?? '', port: Number(parts[3]) }
}

function readArguments(argv: readonly string[]): { kind: string; target: string; options: ProbeOptions } {
  const option = { type: 'string' } as const
  const { values, positionals } = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      count: option,
      rate: option,
      seconds: option,
      concurrency: option,
      'timeout-ms': option,
      type: option,
      server: option,
      keep: { type: 'boolean' },
    },
  })
  const [kind, target] = positionals
  if (
    kind === undefined ||
    target === undefined ||
    positionals.length > 2 ||
    !['http', 'tcp', 'udp', 'dns'].includes(kind)
  )
    throw new RangeError('probe: needs a kind and a target')
  if (kind === 'http') void new URL(target)
  if (kind === 'tcp' || kind === 'udp') hostPort(target)
  const number = (name: 'count' | 'rate' | 'seconds' | 'concurrency' | 'timeout-ms', fallback: number) => {
    const value = values[name] === undefined ? fallback : Number(values[name])
    if (!Number.isFinite(value) || value < 0) throw new RangeError(`probe: --${name} must be a number`)
    return value
  }
  const endless = values.rate !== undefined || values.seconds !== undefined
  return {
    kind,
    target,
    options: {
      count: number('count', endless ? 0 : 1),
      rate: number('rate', 0),
      seconds: number('seconds', 0),
      concurrency: Math.max(number('concurrency', 16), 1),
      timeoutMs: number('timeout-ms', 2000),
      keep: values.keep ?? false,
      type: values.type ?? 'A',
      server: values.server ?? '',
    },
  }
}
