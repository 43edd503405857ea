/** Raw packets (raw-main.ts) from a namespace. */
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

/** Answers SCTP associations on this port until it is stopped by what it resolves to. */
export async function answerSctp(namespace: string, port: number, name: string): Promise<() => Promise<void>> {
  const child = spawnIn(namespace, [process.execPath, main, 'sctp-answer', String(port), name], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  await new Promise<void>((resolve, reject) => {
    child.stdout?.once('data', () => resolve())
    child.once('exit', (code) => reject(new Error(`the SCTP answerer ended with ${code}`)))
  })
  return async () => {
    const ended = exitOf(child)
    child.kill('SIGKILL')
    await ended
  }
}
