/** The mode `iptables`: for machines where nftables cannot be used. Which programs, whether they work, what is left of us in the kernel. */
import { readFile } from 'node:fs/promises'
import type { Clock } from '../../kube/clock.ts'
import type { Log } from '../../kube/log.ts'
import { families } from '../rules/addresses.ts'
import type { Mode, ModeOptions } from '../mode.ts'
import { ProgramMissing, type Run } from '../program.ts'
import { WriteError } from '../writer.ts'
import { familyRules } from './family-rules.ts'
import { findPrograms, type Iptables, iptables, onlyMissing, type Programs } from './iptables.ts'
import { parseSaved, removeText, replaceText } from './saved.ts'
import { iptablesWriter } from './writer.ts'

const nothing = { chains: { nat: new Map(), filter: new Map() }, jumps: { nat: [], filter: [] } }

/**
 * @param twin the mode that iptables-nft would be the slow twin of
 */
export function iptablesMode(run: Run, clock: Clock, twin: Mode): Mode {
  /** The programs to use, or why there are none. */
  const choose = async (options: ModeOptions): Promise<Programs | string> => {
    const found = await findPrograms(run)
    const legacy = found.find(({ flavour }) => flavour === 'legacy')
    const lack = legacy && (await complaintOf(iptables(run, legacy, 'ip'), options))
    if (legacy && lack === undefined) return legacy
    const slow = found.find(({ flavour }) => flavour === 'nf_tables')
    if (slow === undefined) {
      return legacy
        ? `iptables does not work here: its modules ip_tables, iptable_nat and iptable_filter are needed (${lack})`
        : 'there is no iptables 1.6.2 or later: install it, or use --proxy-mode=nftables'
    }
    if ((await twin.detect(options)) === undefined) {
      const slowly = 'iptables-nft, which does slowly what --proxy-mode=nftables does directly: use that'
      return legacy
        ? `iptables-legacy does not work here (${lack}), and there is ${slowly}, or load ip_tables, iptable_nat and iptable_filter`
        : `iptables here is ${slowly}, or install iptables-legacy`
    }
    const other = await complaintOf(iptables(run, slow, 'ip'), options)
    return other === undefined ? slow : `iptables-nft does not work here: ${other}`
  }

  let detected: Programs | undefined

  /** Whatever these programs hold of ours. */
  const removeFrom = async (programs: readonly Programs[]) => {
    for (const each of programs) {
      for (const family of families) {
        const program = iptables(run, each, family)
        const listing = await program.save().catch((error: unknown) => {
          if (error instanceof WriteError && error.cause instanceof ProgramMissing) return ''
          throw error
        })
        const text = removeText(parseSaved(listing))
        if (text !== '') await program.restore(text)
      }
    }
  }

  return {
    name: 'iptables',
    async detect(options) {
      const answer = await choose(options)
      if (typeof answer === 'string') return answer
      detected = answer
      return undefined
    },
    prepare: ({ log }) => prepareRecent(run, log),
    async open(options) {
      const chosen = detected ?? (await choose(options))
      if (typeof chosen === 'string') throw new WriteError(chosen)
      const programs: Iptables[] = []
      for (const family of families) {
        const program = iptables(run, chosen, family)
        const lack = await complaintOf(program, options)
        if (lack === undefined) programs.push(program)
        else options.log.warn({ lack }, `no rules are written for ${family === 'ip' ? 'IPv4' : 'IPv6'}`)
      }
      options.log.info({ ...chosen }, 'iptables')
      await prepareRecent(run, options.log)
      const others = (await findPrograms(run)).filter(({ flavour }) => flavour !== chosen.flavour)
      const removeTwins = () => removeFrom(others)
      return iptablesWriter({ programs, options: options.skeleton, clock, log: options.log, removeTwins })
    },
    async remove() {
      await removeFrom(await findPrograms(run))
    },
  }
}

/** Rules for no Services at all, tried and not taken. */
async function complaintOf(program: Iptables, { skeleton }: ModeOptions): Promise<string | undefined> {
  const { chains } = familyRules(program.family, skeleton, new Map())
  return program.test(replaceText(chains, nothing)).catch((error: unknown) => {
    if (error instanceof WriteError) return error.message
    throw error
  })
}

const recentLimit = '/sys/module/xt_recent/parameters/ip_list_tot'
const wantedClients = 10_000
/** Of a list's hash table, 16 bytes each; the kernel would take 16,384 for so many clients, for each endpoint. */
const buckets = 512

/**
 * Session affinity remembers clients by `recent`, whose lists hold 100 addresses each unless the module was loaded with another number;
 * beyond it the client seen longest ago is forgotten. Loading it first is all that can be done about it.
 */
async function prepareRecent(run: Run, log: Log): Promise<void> {
  const limit = async () => Number(await readFile(recentLimit, 'utf8').catch(() => Number.NaN))
  if (Number.isNaN(await limit())) {
    await run('modprobe', ['xt_recent', `ip_list_tot=${wantedClients}`, `ip_list_hash_size=${buckets}`]).catch(
      onlyMissing,
    )
  }
  const clients = await limit()
  if (clients < wantedClients) {
    log.info(
      { clients },
      `session affinity remembers so many clients for each endpoint: for more, load xt_recent with ip_list_tot=${wantedClients} ip_list_hash_size=${buckets}`,
    )
  }
}
