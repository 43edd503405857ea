/** One request of the load tool, by protocol: resolves with who answered, rejects with what went wrong (`code` where there is one). */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { Agent, get } from 'node:http'
import { connect, isIPv6, type Socket } from 'node:net'

/** What is counted of an answer. */
export interface Answer {
  /** Name of the Pod, or of whatever answered. */
  answer: string
  node?: string
  /** Address of the client as the answering side saw it. */
  client?: string
}

export type Attempt = () => Promise<Answer>

export interface AttemptOptions {
  timeoutMs: number
  keep: boolean
}

interface Attempts {
  next: Attempt
  close: () => void
}

export function httpAttempts(url: string, { timeoutMs, keep }: AttemptOptions): Attempts {
  const agent = keep ? new Agent({ keepAlive: true, maxSockets: 1 }) : undefined
  const next: Attempt = () =>
    new Promise((resolve, reject) => {
      const request = get(url, { agent: agent ?? false, headers: keep ? {} : { Connection: 'close' } }, (response) => {
        let text = ''
        response.setEncoding('utf8').on('data', (chunk: string) => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () => {
          const code = response.statusCode ?? 0
          if (code >= 200 && code < 300) resolve(readAnswer(text))
          else reject(new Error(`HTTP ${code}`))
        })
      })
      request.on('error', reject)
      request.on('close', () => clearTimeout(timer))
      const timer = setTimeout(() => request.destroy(new Error('timeout')), timeoutMs)
    })
  return { next, close: () => agent?.destroy() }
}

export function tcpAttempts(at: { host: string; port: number }, { timeoutMs, keep }: AttemptOptions): Attempts {
  let kept: Socket | undefined
  let turn = Promise.resolve()
  const one = async (): Promise<Answer> => {
    const socket = kept && !kept.destroyed ? kept : connect({ ...at, noDelay: true }).on('error', () => {})
    if (keep) kept = socket
    try {
      return readAnswer(await lineFrom(socket, timeoutMs))
    } catch (error) {
      socket.destroy()
      throw error
    } finally {
      if (!keep) socket.destroy()
    }
  }
  const next: Attempt = () => {
    if (!keep) return one()
    // One connection: one question at a time.
    const mine = turn.then(one)
    turn = mine.then(
      () => undefined,
      () => undefined,
    )
    return mine
  }
  return { next, close: () => kept?.destroy() }
}

function lineFrom(socket: Socket, timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const over = (settle: () => void) => {
      clearTimeout(timer)
      socket.removeListener('data', onData).removeListener('error', onError).removeListener('close', onClose)
      settle()
    }
    const onData = (chunk: Buffer) => {
      text += chunk.toString()
      if (text.includes('\n')) over(() => resolve(text.slice(0, text.indexOf('\n'))))
    }
    const onError = (error: Error) => over(() => reject(error))
    const onClose = () => over(() => reject(new Error('closed without an answer')))
    const timer = setTimeout(() => over(() => reject(new Error('timeout'))), timeoutMs)
    socket.on('data', onData).on('error', onError).on('close', onClose)
    socket.write('hello\n')
  })
}

export function udpAttempts(at: { host: string; port: number }, { timeoutMs, keep }: AttemptOptions): Attempts {
  let kept: UdpSocket | undefined
  const one = (): Promise<Answer> =>
    new Promise((resolve, reject) => {
      const socket = kept ?? createSocket(isIPv6(at.host) ? 'udp6' : 'udp4')
      const first = kept === undefined
      if (keep) kept = socket
      const over = (settle: () => void) => {
        clearTimeout(timer)
        socket.removeListener('message', onMessage).removeListener('error', onError)
        if (!keep) socket.close()
        settle()
      }
      const onMessage = (data: Buffer) => over(() => resolve(readAnswer(data.toString())))
      const onError = (error: Error) => over(() => reject(error))
      const timer = setTimeout(() => over(() => reject(new Error('timeout'))), timeoutMs)
      socket.on('message', onMessage).on('error', onError)
      const send = () => socket.send('hello', (error) => error && onError(error))
      // Connected: an ICMP refusal comes back as an error instead of silence.
      if (first) socket.connect(at.port, at.host, send)
      else send()
    })
  let turn = Promise.resolve()
  const next: Attempt = () => {
    if (!keep) return one()
    const mine = turn.then(one)
    turn = mine.then(
      () => undefined,
      () => undefined,
    )
    return mine
  }
  return { next, close: () => kept?.close() }
}

/** The facts that image `echo` sends; anything else counts by its first 60 characters. */
function readAnswer(text: string): Answer {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null && 'pod' in value && typeof value.pod === 'string') {
      const node = 'node' in value && typeof value.node === 'string' ? { node: value.node } : {}
      return { answer: value.pod, ...node, ...clientOf(value) }
    }
  } catch {
    // Not JSON: an answer of something else.
  }
  return { answer: text.trim().slice(0, 60) }
}

function clientOf(value: object): { client?: string } {
  const client = 'client' in value ? value.client : undefined
  if (typeof client !== 'object' || client === null || !('address' in client)) return {}
  return typeof client.address === 'string' ? { client: client.address } : {}
}
