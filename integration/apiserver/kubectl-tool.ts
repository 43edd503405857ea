/** kubectl against a server, as a person would run it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'

interface Ran {
  code: number
  out: string
  err: string
}

export type Kubectl = (args: string, input?: string | object) => Promise<Ran>

const program = 'kubectl'

/** Arguments are split at blanks; `'...'` keeps a part together. Objects go to stdin as JSON. */
export function kubectlFor(url: string): Kubectl {
  return async (args, input) => {
    const list = [...args.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '')
    const env = { ...process.env, KUBECONFIG: '/dev/null', HOME: '/nonexistent', KUBECTL_KUBERC: 'false' }
    const child = spawn(program, ['--server', url, '--cache-dir', '/dev/null', ...list], { env })
    let out = ''
    let err = ''
    child.stdout.on('data', (piece: Buffer) => {
      out += piece.toString()
    })
    child.stderr.on('data', (piece: Buffer) => {
      err += piece.toString()
    })
    child.stdin.on('error', () => {}) // kubectl may end without reading it
    child.stdin.end(typeof input === 'object' ? JSON.stringify(input) : (input ?? ''))
    const [code] = (await once(child, 'close')) as [number]
    return { code, out, err }
  }
}
