/** `roadstead sandbox exec|list|clean`: commands inside a running sandbox, which ones run, and what dead ones left. */
import { dirname } from 'node:path'
import { systemClock } from '../kube/clock.ts'
import { type CommandIo, parseFlags, UsageError } from '../kube/flags.ts'
import { execInSandbox, runningInstances } from '../sandbox/nodes/exec.ts'
import { sweepDead } from '../sandbox/nodes/instance.ts'
import { ownRunFolder } from '../sandbox/nodes/own-run-folder.ts'

const help = `Usage: roadstead sandbox COMMAND

  exec [--name NAME] TARGET -- COMMAND...   run a command in a namespace of a running sandbox;
                                            TARGET: client, node-1, lb, router, cp, POD, pod/NAMESPACE/POD
  list                                      running sandboxes
  clean                                     remove what killed sandboxes left behind (up does it too)
`

export async function run(argv: readonly string[], io: CommandIo): Promise<number> {
  const [verb, ...rest] = argv
  const base = dirname(ownRunFolder('any'))
  switch (verb) {
    case 'exec':
      return await exec(rest, base, io)
    case 'list': {
      parseFlags(rest, {})
      for (const { name, owner } of runningInstances(base)) io.stdout(`${name}  (pid ${owner.pid})\n`)
      return 0
    }
    case 'clean': {
      parseFlags(rest, {})
      const removed = await sweepDead(systemClock, base)
      io.stdout(removed.length === 0 ? 'nothing was left\n' : `removed ${removed.join(', ')}\n`)
      return 0
    }
    case '--help':
    case '-h':
      io.stdout(help)
      return 0
    default:
      throw new UsageError(
        `${verb === undefined ? 'a command is missing' : `unknown command "${verb}"`}: exec, list or clean`,
      )
  }
}

async function exec(argv: readonly string[], base: string, io: CommandIo): Promise<number> {
  const dashes = argv.indexOf('--')
  if (dashes < 0)
    throw new UsageError('exec: put the command after --, for example: exec client -- curl http://203.0.113.1/')
  const { values, positionals } = parseFlags(argv.slice(0, dashes), { name: { type: 'string' } }, true)
  const [target, ...others] = positionals
  if (target === undefined || others.length > 0) throw new UsageError('exec: exactly one target goes before --')
  const name = values['name']
  return await execInSandbox({
    base,
    instance: typeof name === 'string' ? name : undefined,
    target,
    argv: argv.slice(dashes + 1),
    env: io.env,
  })
}
