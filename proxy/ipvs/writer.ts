/**
 * The writer of mode ipvs: `ipvsadm --restore` for virtual servers, one nft transaction for the table, `ip -batch` for the dummy interface.
 * These are not one transaction, so their order is what makes a change safe: new targets first, then addresses that go, the table, new
 * servers, addresses that come, and last what is taken away from IPVS. A write that fails half-way is mended by the next `replace`, which
 * starts from what the kernel has.
 *
 * A connection to an endpoint that leaves goes on: its target gets weight 0 and is taken away when it has nothing left (`tidy`).
 */
import type { Clock } from '../../kube/clock.ts'
import { type Change, type ElementSet, isEmpty } from '../rules/elements.ts'
import type { Nft } from '../nftables/nft.ts'
import type { SkeletonOptions } from '../nftables/skeleton.ts'
import { ProgramMissing, type Run } from '../program.ts'
import { type RuleWriter, WriteError } from '../writer.ts'
import type { BoundAddresses } from './bound-addresses.ts'
import { families } from '../rules/addresses.ts'
import { after, commandsFor, finished, isAsWanted, type SeenServer, type SeenServers } from './kernel-servers.ts'
import { type NodePlan, nodePlan, type PlanOptions, replannedFor } from './node-plan.ts'
import {
  changeText,
  type ExtrasChange,
  probeText,
  recordedIn,
  removeText,
  replaceText,
  serverMarks,
  tableName,
} from './table.ts'
import type { VirtualServer } from './virtual-servers.ts'

export interface IpvsWriterOptions {
  run: Run
  nft: Nft
  addresses: BoundAddresses
  /** What the kernel has; empty where IPVS was never used. */
  servers: () => Promise<SeenServers>
  skeleton: SkeletonOptions
  plan: PlanOptions
  clock: Clock
  /** Virtual servers that are somebody else's, whatever else tells of them. */
  isExcluded: (name: string) => boolean
}

const noSuch = /^No such (service|destination)$/
const shortestPauseMs = 1000
/** The part of the time that looking for others' changes may take. */
const pausePerLook = 30

export function ipvsWriter(options: IpvsWriterOptions): RuleWriter {
  const { run, nft, addresses, clock } = options
  let plan: NodePlan | undefined
  /** What IPVS holds of ours, as far as it is known. */
  let known = new Map<string, SeenServer>()
  /** Raised at the beginning and the end of each write: what was looked at meanwhile says nothing. */
  let epoch = 0
  let writing = 0
  /** Targets being taken away between writes; a write waits for it, lest it changes one of them. */
  let tidying = Promise.resolve()

  /** @param going these take away: what is gone already is no failure */
  const ipvsadm = async (commands: readonly string[], going: 'going' | 'coming') => {
    if (commands.length === 0) return
    const { code, stderr } = await run('ipvsadm', ['--restore'], `${commands.join('\n')}\n`).catch((cause: unknown) => {
      throw cause instanceof ProgramMissing ? new WriteError(cause.message, { cause }) : cause
    })
    // It goes on after a command that was refused, and its exit code is that of the last one: what it says is what counts.
    const complaints = stderr.split('\n').filter((line) => line !== '' && !(going === 'going' && noSuch.test(line)))
    if (complaints.length > 0) throw new WriteError(`ipvsadm failed: ${complaints[0]}`)
    if (code !== 0 && stderr === '') throw new WriteError(`ipvsadm failed: exit code ${code ?? 'none'}`)
  }

  const write = async (work: () => Promise<void>) => {
    epoch++
    writing++
    try {
      await tidying
      await work()
    } catch (error) {
      plan = undefined
      throw error
    } finally {
      epoch++
      writing--
    }
  }

  /**
   * The servers to be as said, and between the coming and the going the addresses and the table. Where nobody was served before, the table
   * comes first: it tells who is refused and who is masqueraded.
   */
  const serve = async (
    wanted: ReadonlyMap<string, VirtualServer | undefined>,
    { add, remove }: ExtrasChange,
    table: string,
  ) => {
    const more: string[] = []
    const anew: string[] = []
    const last: string[] = []
    for (const [name, server] of wanted) {
      const commands = commandsFor(name, known.get(name), server)
      const waits = !known.has(name) && markIn(name) === undefined
      ;(waits ? anew : more).push(...commands.first)
      last.push(...commands.last)
    }
    await ipvsadm(more, 'coming')
    await addresses.change([], remove.bound)
    if (table !== '') await nft.load(table)
    await ipvsadm(anew, 'coming')
    await addresses.change(add.bound, [])
    await ipvsadm(last, 'going')
    for (const [name, server] of wanted) {
      if (server === undefined) known.delete(name)
      else known.set(name, after(known.get(name), server))
    }
  }

  const intact = async (): Promise<boolean> => {
    try {
      await nft.check(probeText(options.skeleton))
      return true
    } catch (error) {
      if (error instanceof WriteError && /No such file or directory/.test(error.message)) return false
      throw error
    }
  }

  /** What IPVS holds of ours, with the connections of each target, if it and the interface are as the plan says. */
  const rightly = async (expected: NodePlan): Promise<Map<string, SeenServer> | undefined> => {
    const [seen, bound] = await Promise.all([options.servers(), addresses.list()])
    if (bound === undefined || !isSame(bound, expected.extras.bound)) return undefined
    const found = new Map<string, SeenServer>()
    for (const [name, server] of expected.servers) {
      const present = seen.get(name)
      if (present === undefined || !isAsWanted(present, server)) return undefined
      found.set(name, present)
    }
    return found
  }

  /** Takes away targets that have nothing left to finish. */
  const tidy = async () => {
    if (plan === undefined) return
    const done = finished(known, plan.servers.values())
    await ipvsadm(
      done.map(({ command }) => command),
      'going',
    )
    for (const { name, target } of done) known.get(name)?.targets.delete(target)
  }

  const list = async () => (await Promise.all(families.map((family) => nft.list('table', family, tableName)))).join('')

  const read = async () => {
    await tidying
    plan = undefined
    if (!(await intact())) return undefined
    const recorded = recordedIn(await list())
    const found = nodePlan(options.plan, recorded)
    const present = await rightly(found)
    if (present === undefined) return undefined
    known = present
    plan = found
    return new Map(found.elements)
  }

  /** Servers in the kernel that are ours by their mark, their address, or because the table tells of them. */
  const ours = (seen: SeenServers, bound: ReadonlySet<string>, before: NodePlan): string[] => {
    return [...seen.keys()].filter((name) => {
      if (options.isExcluded(name)) return false
      const mark = markIn(name)
      if (mark !== undefined) return (mark & serverMarks.mask) >>> 0 === serverMarks.base
      return before.servers.has(name) || bound.has(addressIn(name))
    })
  }

  const replace = (elements: ElementSet) =>
    write(async () => {
      await addresses.prepare()
      // Also of another release: it tells which servers are ours.
      const before = plan ?? nodePlan(options.plan, recordedIn(await list().catch(() => '')))
      const next = replannedFor(elements, before, options.plan)
      const seen = await options.servers()
      const bound = (await addresses.list()) ?? new Set<string>()
      known = new Map(seen)
      const wanted = new Map<string, VirtualServer | undefined>(next.servers)
      for (const name of ours(seen, bound, before)) if (!next.servers.has(name)) wanted.set(name, undefined)
      const addition = [...next.extras.bound].filter((name) => !bound.has(name))
      const removal = [...bound].filter((name) => !next.extras.bound.has(name))
      await serve(
        wanted,
        {
          add: { marks: new Map(), bound: new Set(addition) },
          remove: { marks: new Map(), bound: new Set(removal) },
        },
        replaceText(options.skeleton, next.elements, next.extras),
      )
      plan = next
    })

  return {
    name: 'ipvsadm',
    read,
    replace,
    intact: async () => {
      await tidying
      const present = (await intact()) && plan !== undefined ? await rightly(plan) : undefined
      if (present === undefined) return false
      known = present
      await tidy()
      return true
    },
    async apply(change: Change) {
      if (isEmpty(change)) return
      if (plan === undefined) await read()
      const following = plan
      if (following === undefined) throw new WriteError('our virtual servers are gone')
      await write(async () => {
        const { servers, extras } = following.follow(change)
        await serve(servers, extras, changeText(change, extras))
      })
    },
    // IPVS drops what it remembers of a client when the target it leads to has weight 0 or is gone.
    affinity: () => Promise.resolve([]),
    forget: () => Promise.resolve(),
    remove: () =>
      write(async () => {
        const seen = await options.servers()
        const bound = (await addresses.list()) ?? new Set<string>()
        const before = plan ?? nodePlan(options.plan, recordedIn(await list().catch(() => '')))
        await ipvsadm(
          ours(seen, bound, before).map((name) => `--delete-service ${name}`),
          'going',
        )
        await addresses.remove()
        await nft.load(removeText())
        plan = undefined
      }),
    watch(onForeignChange) {
      let cancel = () => {}
      let ended = false
      /** How long the last looks took; one that something else on the node held up says little about the next. */
      let lasted: readonly number[] = []
      const again = () => {
        const usualMs = lasted.length === 0 ? 0 : Math.min(...lasted)
        if (!ended) cancel = clock.after(Math.max(shortestPauseMs, usualMs * pausePerLook), () => void compare())
      }
      // IPVS and the interface tell nobody about changes that a listener here could hear of.
      const compare = async () => {
        const started = clock.now()
        const before = epoch
        if (writing === 0 && plan !== undefined) {
          const [isThere, present] = await Promise.all([intact(), rightly(plan)]).catch(() => [undefined, undefined])
          // What was seen before or during a write is not what is there now.
          if (epoch === before && !ended && isThere !== undefined) {
            if (isThere && present !== undefined) {
              known = present
              await (tidying = tidy().catch(() => {}))
            } else onForeignChange()
          }
          lasted = [Math.max(0, clock.now() - started), ...lasted.slice(0, 2)]
        }
        again()
      }
      again()
      return () => {
        ended = true
        cancel()
      }
    },
  }
}

function markIn(name: string): number | undefined {
  const [, mark] = /^--fwmark-service (\d+)/.exec(name) ?? []
  return mark === undefined ? undefined : Number(mark)
}

/** As bound addresses are named: `<family> <text>`. */
export function addressIn(name: string): string {
  const [, v6, v4] = /^--\w+-service (?:\[([^\]]+)\]|([\d.]+)):/.exec(name) ?? []
  return v6 === undefined ? `ip ${v4 ?? ''}` : `ip6 ${v6}`
}

function isSame(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && [...a].every((name) => b.has(name))
}
