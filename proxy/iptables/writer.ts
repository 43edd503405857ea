/**
 * The writer of mode iptables: one `iptables-restore --noflush` a family and change, with the chains that differ and no others.
 * A table is one transaction; its two families and two tables are four, nat before filter (chains.ts says why that loses nothing).
 * xtables tells nobody about changes, so others' are found by looking, as often as a thirtieth of the time allows.
 */
import { createHash } from 'node:crypto'
import type { Clock } from '../../kube/clock.ts'
import type { Log } from '../../kube/log.ts'
import type { Family } from '../rules/addresses.ts'
import { isEmpty } from '../rules/elements.ts'
import type { SkeletonOptions } from '../nftables/skeleton.ts'
import { type RuleWriter, WriteError } from '../writer.ts'
import { prefix, type Table, tables } from './chains.ts'
import { type AllChains, type FamilyRules, familyRules, isNoChange } from './family-rules.ts'
import type { Iptables } from './iptables.ts'
import { recover } from './recover.ts'
import { changeText, hasOurJumps, parseSaved, removeText, replaceText, sameChains } from './saved.ts'

export interface IptablesWriterOptions {
  /** One for each family that this machine can do. */
  programs: readonly Iptables[]
  /** Takes away what a proxy before this one has written by iptables of the other flavour. */
  removeTwins?: () => Promise<void>
  options: SkeletonOptions
  clock: Clock
  log: Log
}

const shortestPauseMs = 500
/** Between two looks, in lengths of a look: so much of the time goes into them, whatever the number of Services. */
const pausePerLook = 30

interface Known {
  rules: FamilyRules
  /** Of our part of the listing when it was last found right; undefined since the last write. */
  digest: string | undefined
  /** Rules in the last batch. */
  written: Record<Table, number>
}

export function iptablesWriter({ programs, options, clock, log, removeTwins }: IptablesWriterOptions): RuleWriter {
  const known = new Map<Family, Known>()
  /** Raised at the beginning and the end of each write: what was listed meanwhile says nothing. */
  let epoch = 0
  let writing = 0
  /** This iptables prints rules in another way than we write them: only names and counts can be compared. */
  let printsOtherwise = false

  const write = async (program: Iptables, text: string) => {
    if (text === '') return
    const family = known.get(program.family)
    if (family) family.digest = undefined
    epoch++
    writing++
    try {
      await program.restore(text)
    } catch (error) {
      known.clear()
      throw error
    } finally {
      epoch++
      writing--
    }
  }

  /** Whether what is there is what we wrote. */
  const isRight = async (program: Iptables): Promise<boolean> => {
    const family = known.get(program.family)
    if (family === undefined) return false
    const text = await program.save()
    const now = digestOf(text)
    if (now === family.digest) return true
    const saved = parseSaved(text)
    const isSame = printsOtherwise ? sameShape : sameChains
    if (!hasOurJumps(saved) || !isSame(saved.chains, family.rules.chains)) return false
    family.digest = now
    return true
  }

  const read = async () => {
    known.clear()
    const elements = new Map<string, string>()
    for (const program of programs) {
      const text = await program.save()
      const saved = parseSaved(text)
      const recovered = hasOurJumps(saved) ? recover(program.family, saved.chains, options) : undefined
      if (recovered === undefined) return undefined
      known.set(program.family, { rules: recovered.rules, digest: digestOf(text), written: { nat: 0, filter: 0 } })
      for (const [id, value] of recovered.elements) elements.set(id, value)
    }
    return elements
  }

  return {
    name: 'iptables',
    families: programs.map(({ family }) => family),
    read,
    async replace(elements) {
      for (const program of programs) {
        const saved = parseSaved(await program.save())
        const rules = familyRules(program.family, options, elements)
        await write(program, replaceText(rules.chains, saved))
        known.set(program.family, { rules, digest: undefined, written: countsOf(rules.chains) })
        if (printsOtherwise || (await isRight(program))) continue
        printsOtherwise = true
        if (!(await isRight(program)))
          throw new WriteError('the rules are not what was written: somebody else is writing')
        log.warn({}, 'this iptables prints rules in another form: changes by others may go unnoticed')
      }
      await removeTwins?.().catch((error: unknown) => log.warn({ error }, 'rules of the other iptables are left'))
    },
    async apply(change) {
      if (isEmpty(change)) return
      if (known.size < programs.length && (await read()) === undefined) throw new WriteError('our chains are gone')
      const texts = programs.map((program) => {
        const family = known.get(program.family)
        if (family === undefined) throw new WriteError('our chains are gone')
        const difference = family.rules.follow(change)
        family.written = countsOf(difference.set)
        return isNoChange(difference) ? '' : changeText(difference)
      })
      // Side by side, as far as the lock lets them; none may be under way when this ends.
      const results = await Promise.allSettled(programs.map((program, index) => write(program, texts[index] ?? '')))
      for (const result of results) if (result.status === 'rejected') throw result.reason
    },
    async intact() {
      for (const program of programs) if (!(await isRight(program))) return false
      return true
    },
    // A client is remembered in a list of its endpoint and session, which goes with the last rule that names it: none is ever stale.
    affinity: () => Promise.resolve([]),
    forget: () => Promise.resolve(),
    async remove() {
      known.clear()
      for (const program of programs) await write(program, removeText(parseSaved(await program.save())))
    },
    ruleCounts: () =>
      [...known].flatMap(([family, { rules, written }]) => {
        const present = countsOf(rules.chains)
        return tables.map((table) => ({ family, table, present: present[table], written: written[table] }))
      }),
    watch(onForeignChange) {
      let cancel = () => {}
      let ended = false
      const look = async () => {
        const started = clock.now()
        const before = epoch
        if (writing === 0 && known.size === programs.length) {
          const right = await Promise.all(programs.map(isRight)).then(
            (answers) => answers.every(Boolean),
            () => true,
          )
          if (!right && epoch === before && !ended) onForeignChange()
        }
        if (!ended)
          cancel = clock.after(Math.max(shortestPauseMs, (clock.now() - started) * pausePerLook), () => void look())
      }
      cancel = clock.after(shortestPauseMs, () => void look())
      return () => {
        ended = true
        cancel()
      }
    },
  }
}

/** Of the lines that are ours; counters of the kernel's own chains are not. */
function digestOf(text: string): string {
  const hash = createHash('sha1')
  for (const line of text.split('\n')) if (line.startsWith('*') || line.includes(prefix)) hash.update(line).update('\n')
  return hash.digest('base64')
}

function countsOf(chains: AllChains): Record<Table, number> {
  const count = (table: Table) => [...chains[table].values()].reduce((sum, rules) => sum + rules.length, 0)
  return { nat: count('nat'), filter: count('filter') }
}

/** The same chains with as many rules. */
function sameShape(a: AllChains, b: AllChains): boolean {
  return tables.every(
    (table) =>
      a[table].size === b[table].size &&
      [...a[table]].every(([name, rules]) => b[table].get(name)?.length === rules.length),
  )
}
