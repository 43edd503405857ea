/**
 * `roadstead proxy`: reads flags and file and does what they say. The rules stay when it ends.
 * What takes time to load is loaded when it is wanted: a restarted proxy should be back soon.
 */
import { writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { pino } from 'pino'
import type { CommandIo } from '../kube/flags.ts'
import type { Log } from '../kube/log.ts'
import { version } from '../kube/version.ts'
import { configPath, type Job, parseConfig, type ProxyConfig, usage } from './config/config.ts'
import { readGivenFile } from './config/reader.ts'
import { ListenFailure } from './listen.ts'
import { AlreadyRunning, takeLock } from './lock.ts'
import { allModes, removeOthers } from './modes.ts'
import { runProgram } from './program.ts'
import type { Followed } from './serve.ts'
import { WriteError } from './writer.ts'

type Pino = typeof pino

/** Resolves with the exit code: 0 after the stop signal, 1 when the proxy cannot work here. Throws UsageError. */
export async function run(argv: string[], io: CommandIo): Promise<number> {
  const path = configPath(argv)
  const file = path === undefined ? undefined : await readGivenFile(path)
  const parsed = parseConfig(argv, file)
  if (parsed.task === 'help' || parsed.task === 'version') {
    io.stdout(parsed.task === 'help' ? usage() : `roadstead ${version}\n`)
    return 0
  }
  const log = lineLog((await import('pino')).pino, parsed.config, io)
  for (const warning of parsed.warnings) log.warn({}, warning)
  const readAgain = async () => {
    const now = await readGivenFile(path ?? '')
    parseConfig(argv, now)
    return now
  }
  try {
    return await carryOut(parsed, file && { given: file, read: readAgain }, io, log)
  } catch (error) {
    const isExpected = [ListenFailure, WriteError, AlreadyRunning].some((kind) => error instanceof kind)
    if (!isExpected || !(error instanceof Error)) throw error
    io.stderr(`roadstead proxy: ${error.message.replaceAll('\n', ' ')}\n`)
    return 1
  }
}

async function carryOut(
  { task, config, writeTo }: Job,
  file: Followed | undefined,
  io: CommandIo,
  log: Log,
): Promise<number> {
  if (task === 'write') {
    const [{ configDocument }, { stringify }] = await Promise.all([import('./config/document.ts'), import('yaml')])
    await writeFile(writeTo, stringify(configDocument(config.values)))
    return 0
  }
  const modes = allModes(runProgram)
  const lock = await takeLock(`process ${process.pid}`)
  try {
    if (task === 'cleanup') return (await removeOthers(modes, undefined, log)) ? 0 : 1
    const { initialize, serve } = await import('./serve.ts')
    const mode = modes.find(({ name }) => name === config.mode)
    if (mode === undefined) throw new WriteError(`there is no mode ${config.mode} here`)
    if (task === 'init') {
      await initialize(config, mode, log)
      return 0
    }
    const nodeName = config.nodeName ?? hostname().trim().toLowerCase()
    return await serve({ config, mode, modes, file, nodeName, io, log })
  } finally {
    await lock.release()
  }
}

function lineLog(create: Pino, config: ProxyConfig, io: CommandIo): Log {
  return create(
    {
      level: config.verbosity >= 4 ? 'debug' : 'info',
      base: { component: 'proxy' },
      timestamp: create.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: create.stdSerializers.err },
    },
    { write: (line) => io.stderr(line) },
  )
}
