/**
 * One proxy in a network namespace, whatever ports it was told to listen on: the holder listens on an abstract unix socket. Such a name
 * belongs to the network namespace, so Pods in the host's network and processes of the machine meet there; the kernel frees it with the process.
 */
import { connect, createServer } from 'node:net'

export interface Lock {
  release(): Promise<void>
}

const usualName = '\0roadstead-proxy'
/** A holder that is stopped (SIGSTOP) or busy does not say who it is. */
const answerWithinMs = 500

/** @param self one line that tells others who holds it. Rejects with AlreadyRunning. */
export async function takeLock(self: string, name = usualName): Promise<Lock> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.end(self)
  })
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(name, resolve)
    })
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EADDRINUSE')) throw error
    throw new AlreadyRunning(await holder(name), { cause: error })
  }
  // It is there as long as the process is and does not keep it going.
  server.unref()
  return { release: () => new Promise((resolve) => server.close(() => resolve())) }
}

function holder(name: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = connect(name)
    const done = () => {
      socket.destroy()
      resolve(text)
    }
    socket.setTimeout(answerWithinMs, done)
    socket.setEncoding('utf8').on('data', (part: string) => (text += part))
    socket.on('end', done).on('error', done)
  })
}

export class AlreadyRunning extends Error {
  override readonly name = 'AlreadyRunning'
  constructor(who: string, options?: ErrorOptions) {
    super(`another Roadstead proxy runs on this node${who === '' ? '' : ` (${who})`}: stop it first`, options)
  }
}
