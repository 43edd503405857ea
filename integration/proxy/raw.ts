/** Raw packets (raw-main.ts) from a namespace. */
import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { runIn, spawnIn } from '../../sandbox/nodes/netns.ts'
import { exitOf } from '../../sandbox/nodes/processes.ts'

const main = fileURLToPath(new URL('raw-main.ts', import.meta.url))

/** What it printed. */
export async function raw(namespace: string, ...args: readonly (string | number)[]): Promise<string> {
  const { code, stdout, stderr } = await runIn(namespace, [process.execPath, main, ...args.map(String)])
  if (code !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
  return stdout.trim()
}

async function start(namespace: string, ...args: readonly (string | number)[]): Promise<ChildProcess> {
  const child = spawnIn(namespace, [process.execPath, main, ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve())
    child.once('exit', (code) => reject(new Error(`${args.join(' ')} ended with ${code}`)))
  })
  return child
}

/**
 * Lies in wait for what the peer sends next; then a segment far outside of the window is sent to it. Call what it resolves to after the
 * peer was made to send: it resolves when the segment is on its way.
 */
export async function disturb(
  namespace: string,
  peer: { address: string; port: number },
  own: { address: string; port: number },
): Promise<() => Promise<void>> {
  const child = await start(namespace, 'tcp-segment', peer.address, peer.port, own.port, own.address)
  const ended = exitOf(child)
  return async () => {
    const { code } = await ended
    if (code !== 0) throw new Error(`no segment was sent (${code})`)
  }
}

/** Answers SCTP associations on this port until it is stopped by what it resolves to. */
export async function answerSctp(namespace: string, port: number, name: string): Promise<() => Promise<void>> {
  const child = await start(namespace, 'sctp-answer', port, name)
  return async () => {
    const ended = exitOf(child)
    child.kill('SIGKILL')
    await ended
  }
}
