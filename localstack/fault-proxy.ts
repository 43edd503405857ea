/**
 * The proxy between the real AWS SDK and an emulator: counts calls by action, applies token buckets and faults, and repairs what the
 * emulator does unlike AWS (repairs/). Two addresses, one cloud: `url` is counted and faulted, `quietUrl` is neither and is for seeds,
 * for changes by hand and for looking at what is there. Loopback only.
 */
import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'
import { type Answer, AwsRefusal, denied, errorAnswer, throttled } from './answer.ts'
import { type AwsCall, awsCall } from './aws-call.ts'
import { tokenBuckets } from './buckets.ts'
import { controlPath, handleControl } from './control.ts'
import { createFaults, type FaultEffect, type Faults } from './faults.ts'
import { type CallRecord, type Counts, createJournal } from './journal.ts'
import { type Next, stack } from './layer.ts'
import { type RepairName, type RepairedCloud, repairLayers } from './repairs/repairs.ts'
import { defaultSettings, type Settings, type SettingsChange, withChange } from './settings.ts'
import { createUpstream } from './upstream.ts'

export interface FaultProxyOptions {
  /** Base URL of the emulator. */
  upstream: string
  settings?: SettingsChange
  /** Which repairs to apply. Default: all that moto needs. */
  repairs?: readonly RepairName[]
  /** Default 0: any free port. */
  port?: number
}

export interface FaultProxy {
  /** The endpoint for the SDK under test. */
  readonly url: string
  /** The same cloud, neither counted nor throttled nor faulted. */
  readonly quietUrl: string
  readonly faults: Faults
  readonly settings: () => Settings
  /** What the repairs know beyond the emulator: target health to set by hand. */
  readonly cloud: RepairedCloud
  set(change: SettingsChange): void
  counts(): Counts
  /** Every counted call since the last reset, oldest first. */
  calls(): readonly CallRecord[]
  /** Called when a counted call was carried out, before its answer goes out; its promise is waited for. Returns the way out. */
  onCarriedOut(listener: (record: CallRecord) => void | Promise<void>): () => void
  /** Counts, faults and settings as at the start; the cloud's content stays. Full buckets. */
  reset(): void
  /** Resolves once all connections are closed. */
  close(): Promise<void>
}

export async function startFaultProxy(options: FaultProxyOptions): Promise<FaultProxy> {
  const now = () => Date.now()
  const upstream = createUpstream(options.upstream.replace(/\/+$/, ''))
  const initial = withChange(defaultSettings, options.settings ?? {})
  let settings = initial
  let buckets = tokenBuckets(settings.buckets, now)
  const journal = createJournal()
  const faults = createFaults(now)
  const listeners = new Set<(record: CallRecord) => void | Promise<void>>()
  const repaired = repairLayers({ now, settings: () => settings, names: options.repairs })
  const carryOut: Next = stack(repaired.layers, (call) => upstream.call(call))

  async function answerOf(call: AwsCall): Promise<Answer> {
    try {
      return await carryOut(call)
    } catch (error) {
      if (error instanceof AwsRefusal) return errorAnswer(call, error.refusal)
      throw error
    }
  }

  /** undefined: the connection is cut. */
  async function counted(call: AwsCall, record: CallRecord): Promise<Answer | undefined> {
    const half = settings.latencyMs / 2
    if (half > 0) await pause(half)
    const effect = faults.take(call)
    const refused = refusalOf(call, effect)
    if (refused !== undefined) return refused
    if (effect?.kind === 'reset') return undefined
    if (effect?.kind === 'hang') return await new Promise<never>(() => undefined)
    if (!buckets.admit(call.service, call.action)) return errorAnswer(call, throttled(call.service))
    if (effect?.kind === 'lag') await pause(effect.ms)
    const answer = await answerOf(call)
    record.status = answer.status
    if (answer.code !== undefined) record.code = answer.code
    for (const listener of listeners) await listener(record)
    if (half > 0) await pause(half)
    if (effect?.kind === 'lost-reply') return undefined
    return effect?.kind === 'error-after' ? errorAnswer(call, effect) : answer
  }

  async function handle(request: IncomingMessage, response: ServerResponse, quiet: boolean): Promise<void> {
    const body = await bodyOf(request)
    const path = request.url ?? '/'
    if (path.startsWith(controlPath)) return await handleControl(proxy, request.method ?? 'GET', path, body, response)
    const call = awsCall(request.headers, body, randomUUID())
    if (call.action === '') {
      const answer = await upstream.raw(request.method ?? 'GET', path, body)
      response.writeHead(answer.status, { 'content-type': answer.type }).end(answer.body)
      return
    }
    if (quiet) return send(response, call, await answerOf(call))
    const record = journal.open(call, now())
    const answer = await counted(call, record)
    journal.close(record, now(), answer ?? { status: 0 })
    if (answer === undefined) response.destroy()
    else send(response, call, answer)
  }

  async function listen(port: number, quiet: boolean): Promise<{ server: Server; url: string }> {
    const server = createServer((request, response) => {
      // An emulator that is gone looks like an endpoint that is gone.
      handle(request, response, quiet).catch(() => response.destroy())
    })
    server.keepAliveTimeout = 60_000
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }
  }

  const loud = await listen(options.port ?? 0, false)
  const silent = await listen(0, true)
  const proxy: FaultProxy = {
    url: loud.url,
    quietUrl: silent.url,
    faults,
    settings: () => settings,
    cloud: repaired.cloud,
    set(change) {
      settings = withChange(settings, change)
      if (change.buckets !== undefined) buckets = tokenBuckets(settings.buckets, now)
    },
    counts: () => journal.counts(),
    calls: () => journal.records(),
    onCarriedOut(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    reset() {
      journal.reset()
      faults.clear()
      settings = initial
      buckets = tokenBuckets(settings.buckets, now)
    },
    async close() {
      for (const { server } of [loud, silent]) {
        const closed = once(server, 'close')
        server.close()
        server.closeAllConnections()
        await closed
      }
      upstream.close()
    },
  }
  return proxy
}

function refusalOf(call: AwsCall, effect: FaultEffect | undefined): Answer | undefined {
  if (effect?.kind === 'error') return errorAnswer(call, effect)
  if (effect?.kind === 'denied') return errorAnswer(call, denied(call.service, call.action))
  if (effect?.kind === 'throttled') return errorAnswer(call, throttled(call.service))
  return undefined
}

function send(response: ServerResponse, call: AwsCall, answer: Answer): void {
  response
    .writeHead(answer.status, {
      'content-type': 'text/xml; charset=utf-8',
      'content-length': Buffer.byteLength(answer.body),
      'x-amzn-requestid': call.requestId,
    })
    .end(answer.body)
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  request.setEncoding('utf8')
  for await (const piece of request) text += piece as string
  return text
}
