/** Drives udp-sender-main.ts in a namespace: a client that never stops sending from its one port. */
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { spawnIn } from '../../sandbox/nodes/netns.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'

export interface Heard {
  name: string
  /** Milliseconds since the epoch. */
  at: number
}

export interface UdpSender {
  /** Who answers now: a name, an error code, or `nobody`. */
  now(): string
  /** All changes so far. */
  readonly heard: readonly Heard[]
  /** Waits until `name` answers, and gives how long after `since` it did first. */
  hears(name: string | RegExp, since?: number, withinMs?: number): Promise<number>
  stop(): Promise<void>
}

export async function startUdpSender(
  namespace: string,
  host: string,
  port: number,
  localPort?: number,
): Promise<UdpSender> {
  const main = fileURLToPath(new URL('udp-sender-main.ts', import.meta.url))
  const more = localPort === undefined ? [] : [`${localPort}`]
  const child = spawnIn(namespace, [process.execPath, main, host, `${port}`, ...more], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const heard: Heard[] = []
  const listeners = new Set<() => void>()
  if (child.stdout) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      heard.push(JSON.parse(line) as Heard)
      for (const listener of listeners) listener()
    })
  }
  const now = () => heard.at(-1)?.name ?? ''
  const sender: UdpSender = {
    now,
    heard,
    hears: (name, since = Date.now(), withinMs = 3000) =>
      new Promise((resolve, reject) => {
        const fits = (other: string) => (typeof name === 'string' ? other === name : name.test(other))
        const look = () => {
          if (!fits(now())) return
          end()
          resolve(Math.max(0, (heard.at(-1)?.at ?? 0) - since))
        }
        const timer = setTimeout(() => {
          end()
          reject(
            new Error(`${host}:${port} hears ${now() || 'nothing yet'}, not ${String(name)}, after ${withinMs} ms`),
          )
        }, withinMs)
        const end = () => {
          clearTimeout(timer)
          listeners.delete(look)
        }
        listeners.add(look)
        look()
      }),
    async stop() {
      const ended = exitOf(child)
      child.stdin?.end()
      await ended
    },
  }
  await sender.hears(/./, Date.now(), 10_000)
  return sender
}
