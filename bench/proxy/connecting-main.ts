/** Makes connections in the namespace it was started in, as told on stdin, one JSON object a line (connecting.ts). */
import { createInterface } from 'node:readline'
import { connect } from 'node:net'
import { type Answers, now, type Order, type Reply, type Target } from './connecting.ts'
import { type Flow, tcpFlow, udpFlow } from './flows.ts'
import { connectTimes } from './latency.ts'

const attemptMs = 200
/** Between attempts: short against what is measured, long enough to leave the processor to others. */
const pauseMs = 1

/** The endpoint that answered; undefined: none did. */
function attempt({ host, port }: Target, timeoutMs = attemptMs): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ host, port, noDelay: true })
    const end = (answer?: string) => {
      clearTimeout(timer)
      // A reset: no state stays behind on either side.
      socket.resetAndDestroy()
      resolve(answer)
    }
    const timer = setTimeout(end, timeoutMs)
    socket.once('error', () => end())
    socket.once('data', (part: Buffer) => end(part.toString().trim()))
  })
}

const pause = () => new Promise((resolve) => setTimeout(resolve, pauseMs))

/** Several attempts at once, so that one that is lost does not hold up the others. */
async function untilOne(target: Target, ends: number, suits: (endpoint: string) => boolean): Promise<number> {
  const found: number[] = []
  const running = new Set<Promise<void>>()
  const one = async () => {
    const endpoint = await attempt(target)
    if (endpoint !== undefined && suits(endpoint)) found.push(now())
  }
  while (found.length === 0) {
    if (now() > ends) throw new Error(`${target.host}:${target.port} did not answer as wanted`)
    if (running.size < 8) {
      const trying = one()
      running.add(trying)
      void trying.finally(() => running.delete(trying))
    }
    await pause()
  }
  return Math.min(...found)
}

async function sweep(targets: readonly Target[], width: number): Promise<number> {
  let next = 0
  let answered = 0
  const worker = async () => {
    for (let target = targets[next++]; target !== undefined; target = targets[next++]) {
      if ((await attempt(target, 2000)) !== undefined) answered++
    }
  }
  await Promise.all(Array.from({ length: width }, worker))
  return answered
}

let stopLoad: (() => Promise<{ sent: number; failures: string[] }>) | undefined
let flows: Flow[] = []

function startLoad(target: Target, perSecond: number): void {
  const started = now()
  const failures: string[] = []
  const running = new Set<Promise<void>>()
  let sent = 0
  const one = async () => {
    const at = now() - started
    if ((await attempt(target, 3000)) === undefined) failures.push(`${Math.round(at)} ms`)
  }
  const timer = setInterval(() => {
    const due = Math.floor(((now() - started) / 1000) * perSecond)
    for (; sent < due; sent++) {
      const sending = one()
      running.add(sending)
      void sending.finally(() => running.delete(sending))
    }
  }, 3)
  stopLoad = async () => {
    clearInterval(timer)
    await Promise.all(running)
    return { sent, failures }
  }
}

async function work(order: Order): Promise<Answers[keyof Answers]> {
  switch (order.op) {
    case 'until': {
      const ends = now() + order.timeoutMs
      let at = 0
      for (const target of order.targets) at = await untilOne(target, ends, () => true)
      return { at }
    }
    case 'sweep':
      return { answered: await sweep(order.targets, order.width) }
    case 'reach': {
      const ends = now() + order.timeoutMs
      let at = 0
      for (const { endpoint, ...target } of order.wanted) {
        at = Math.max(at, await untilOne(target, ends, (answer) => answer === endpoint))
      }
      return { at }
    }
    case 'load':
      startLoad(order.target, order.perSecond)
      return { started: true }
    case 'flows': {
      const each = Array.from({ length: order.count })
      flows = await Promise.all([...each.map(() => tcpFlow(order.tcp)), ...each.map(() => udpFlow(order.udp))])
      return { started: true }
    }
    case 'stop': {
      const load = (await stopLoad?.()) ?? { sent: 0, failures: [] }
      stopLoad = undefined
      const lost = (await Promise.all(flows.map((flow) => flow.end()))).flatMap((reason) => reason ?? [])
      const count = flows.length
      flows = []
      return { ...load, flows: count, lost }
    }
    case 'latency':
      return { micros: connectTimes(order.targets, order.count) }
    default:
      return { text: await (await fetch(order.url)).text() }
  }
}

const reply = (answer: Reply) => process.stdout.write(`${JSON.stringify(answer)}\n`)
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const { id, ...order } = JSON.parse(line) as { id: number } & Order
    work(order).then(
      (result) => reply({ id, result }),
      (error: unknown) => reply({ id, error: error instanceof Error ? error.message : String(error) }),
    )
  })
  .on('close', () => process.exit(0))
reply({ id: 0, result: { started: true } })
