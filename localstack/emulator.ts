/**
 * The AWS that tests and the test bench talk to, chosen by EMULATOR: `moto` (default: started here, on a free loopback port, from a
 * Python virtual environment made on first use), `localstack` (the container of docker-compose.yml), or the URL of any AWS-compatible
 * endpoint. Only what was started here is ended here; a moto server also ends when the process that started it dies in any way.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

/** The release that the repairs of the fault proxy were written against. */
export const motoVersion = '5.2.1'

const cache = join(import.meta.dirname, '..', '.cache')
const venv = join(cache, `moto-${motoVersion}`)

export type EmulatorKind = 'moto' | 'localstack' | 'url'

export interface Emulator {
  /** Base URL for every service, without a slash at its end. */
  readonly url: string
  readonly kind: EmulatorKind
  /** Ends the emulator if it was started here. */
  close(): Promise<void>
}

export interface EmulatorOptions {
  /** `moto`, `localstack` or a URL. Default: the environment variable EMULATOR, then moto. */
  kind?: string
  environment?: Readonly<Record<string, string | undefined>>
  /** Told once when the virtual environment has to be made, which takes about half a minute. */
  note?: (line: string) => void
}

/** Errors: no python3, no network for the first installation, nothing listens where it should. */
export async function startEmulator(options: EmulatorOptions = {}): Promise<Emulator> {
  const environment = options.environment ?? process.env
  const wanted = options.kind ?? environment['EMULATOR'] ?? 'moto'
  if (wanted === 'moto') return await startMoto(options.note ?? (() => undefined))
  const kind = wanted === 'localstack' ? 'localstack' : 'url'
  const url = kind === 'localstack' ? (environment['LOCALSTACK_URL'] ?? 'http://127.0.0.1:4566') : wanted
  if (!URL.canParse(url)) throw new Error(`EMULATOR=${wanted}: neither moto, localstack nor a URL`)
  await answers(url, kind)
  return { url: url.replace(/\/+$/, ''), kind, close: async () => undefined }
}

async function startMoto(note: (line: string) => void): Promise<Emulator> {
  const python = await pythonWithMoto(note)
  const child = spawn(python, [join(import.meta.dirname, 'moto_server.py')], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], MOTO_EC2_LOAD_DEFAULT_AMIS: 'false', PYTHONDONTWRITEBYTECODE: '1' },
  })
  const ended = once(child, 'close')
  const errors = lastLines(child)
  // A server that is gone closes its end of the pipe: said by `close`, not by an exception here.
  child.stdin.on('error', () => undefined)
  const port = await Promise.race([listeningPort(child), ended.then(() => undefined)])
  if (port === undefined) throw new Error(`moto did not start: ${errors().join('\n')}`)
  return {
    url: `http://127.0.0.1:${port}`,
    kind: 'moto',
    async close() {
      child.stdin.end()
      const patience = setTimeout(() => child.kill('SIGKILL'), 3000)
      await ended
      clearTimeout(patience)
    },
  }
}

async function listeningPort(child: ChildProcess): Promise<number> {
  if (child.stdout === null) throw new Error('no output to read')
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /^PORT (\d+)$/.exec(line)?.[1]
    if (port !== undefined) return Number(port)
  }
  // Its output ended: so did it, and the other side of the race says why.
  return await new Promise<never>(() => undefined)
}

function lastLines(child: ChildProcess): () => string[] {
  const lines: string[] = []
  if (child.stderr !== null)
    createInterface({ input: child.stderr }).on('line', (line) => {
      lines.push(line)
      if (lines.length > 20) lines.shift()
    })
  return () => lines
}

/** The interpreter of the virtual environment. Made aside and moved into place whole: a broken or parallel start leaves no half of one. */
async function pythonWithMoto(note: (line: string) => void): Promise<string> {
  const python = join(venv, 'bin', 'python')
  if (await exists(python)) return python
  note(`installing moto ${motoVersion} into ${venv}: once`)
  const run = promisify(execFile)
  await mkdir(cache, { recursive: true })
  const aside = `${venv}.${process.pid}`
  try {
    await run('python3', ['-m', 'venv', aside])
    await run(join(aside, 'bin', 'python'), ['-m', 'pip', 'install', '--quiet', `moto[server]==${motoVersion}`])
    await rename(aside, venv)
  } catch (cause) {
    await rm(aside, { recursive: true, force: true })
    if (!(await exists(python)))
      throw new Error(`moto ${motoVersion} could not be installed: needs python3 with venv and a package index`, {
        cause,
      })
  }
  return python
}

async function exists(path: string): Promise<boolean> {
  return await access(path).then(
    () => true,
    () => false,
  )
}

async function answers(url: string, kind: EmulatorKind): Promise<void> {
  try {
    await fetch(url, { signal: AbortSignal.timeout(5000) })
  } catch (cause) {
    const hint =
      kind === 'localstack' ? ': docker compose -f localstack/docker-compose.yml --profile localstack up -d' : ''
    throw new Error(`nothing answers at ${url}${hint}`, { cause })
  }
}
