/**
 * The iptables programs of one family. Which ones: a machine can have two flavours. `legacy` has tables of its own in the kernel,
 * `nf_tables` (iptables-nft) writes into the tables that mode nftables uses, rule by rule, and is far slower (reference: > 300 s for what
 * takes legacy 2 s).
 */
import type { Family } from '../rules/addresses.ts'
import { ProgramMissing, type Run } from '../program.ts'
import { WriteError } from '../writer.ts'

export type Flavour = 'legacy' | 'nf_tables'

export interface Programs {
  /** `iptables`, or `iptables-legacy` where both flavours are installed. */
  readonly base: 'iptables' | 'iptables-legacy'
  readonly flavour: Flavour
  readonly version: string
}

export interface Iptables {
  readonly family: Family
  /** What iptables-save prints. Rejects with WriteError. */
  save(): Promise<string>
  /** `iptables-restore --noflush`: each table of the text is one transaction. Rejects with WriteError. */
  restore(text: string): Promise<void>
  /** Why such a text could not be restored; undefined when it could be. Changes nothing. */
  test(text: string): Promise<string | undefined>
}

/** Seconds to wait for other programs that write rules; /run/xtables.lock is the whole machine's. */
const lockSeconds = 5

/** The oldest that waits for the lock in iptables-restore and knows --random-fully. */
const oldest = [1, 6, 2] as const

/** The programs there are, legacy first. */
export async function findPrograms(run: Run): Promise<Programs[]> {
  const found: Programs[] = []
  for (const base of ['iptables-legacy', 'iptables'] as const) {
    const answer = await run(base, ['-V']).catch(onlyMissing)
    const [, version, flavour = 'legacy'] = /^ip\w*tables v([\d.]+)(?: \((\w+)\))?/.exec(answer?.stdout ?? '') ?? []
    if (version === undefined || !isRecent(version)) continue
    // Where there is one flavour only, both names mean the same.
    if (found.some((other) => other.flavour === flavour)) continue
    found.push({ base, version, flavour: flavour === 'nf_tables' ? flavour : 'legacy' })
  }
  return found
}

function isRecent(version: string): boolean {
  const numbers = version.split('.').map(Number)
  for (const [index, least] of oldest.entries()) {
    const number = numbers[index] ?? 0
    if (number !== least) return number > least
  }
  return true
}

export function iptables(run: Run, { base }: Programs, family: Family): Iptables {
  const name = family === 'ip' ? base : base.replace('ip', 'ip6')
  const wait = ['-w', `${lockSeconds}`]
  const ended = (program: string, args: readonly string[], input?: string) =>
    run(program, args, input).catch((cause: unknown) => {
      throw cause instanceof ProgramMissing ? new WriteError(cause.message, { cause }) : cause
    })
  return {
    family,
    async save() {
      const { code, stdout, stderr } = await ended(`${name}-save`, [])
      if (code !== 0) throw new WriteError(`${name}-save failed (exit code ${code}): ${stderr}`)
      return stdout
    },
    async restore(text) {
      const { code, stderr } = await ended(`${name}-restore`, ['--noflush', ...wait], text)
      if (code !== 0) throw new WriteError(complaint(`${name}-restore`, code, stderr, text))
    },
    async test(text) {
      const { code, stderr } = await ended(`${name}-restore`, ['--noflush', '--test', ...wait], text)
      return code === 0 ? undefined : complaint(`${name}-restore`, code, stderr, text)
    },
  }
}

/** Exit code 4 (RESOURCE_PROBLEM): the lock, mostly. Otherwise the line that is named is shown. */
function complaint(program: string, code: number | undefined, stderr: string, text: string): string {
  if (code === 4 && /lock/.test(stderr)) {
    return `${program}: another program has held the lock of xtables for ${lockSeconds} s`
  }
  const [, number] = /line:? (\d+)/i.exec(stderr) ?? []
  const line = number === undefined ? undefined : text.split('\n')[Number(number) - 1]
  return `${program} failed (exit code ${code}): ${stderr}${line === undefined ? '' : `: ${line}`}`
}

export function onlyMissing(error: unknown): undefined {
  if (!(error instanceof ProgramMissing)) throw error
}
