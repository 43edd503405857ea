/**
 * The shared documents of one cloud: who contributes what, and the loop that brings each document to its wanted state. A fragment that stands
 * in a document is carried over unless its owner contributes here now, or is known to be leaving: neither a restart, nor a stale view, nor a
 * Service that cannot be understood at the moment removes anybody's rules.
 */
import type { WorkResult } from '../../kube/workers.ts'
import { CloudError, ownerKey } from '../../providers/contract.ts'
import type { DocumentKey, Fragment, Owner, Provider, Reason } from '../../providers/contract.ts'
import { jsonEqual } from '../../providers/json-equal.ts'
import { progress } from '../../providers/plan.ts'
import { apply, describeStep } from '../apply.ts'
import { interpret } from '../requeue.ts'
import type { Interpretation } from '../requeue.ts'

export interface Documents {
  /** What an owner wants to stand in documents from now on; replaces what it wanted before. */
  contribute(owner: Owner, fragments: readonly Fragment[]): void
  /** Takes an owner out of every document, also of those that only the cloud knows of. Throws CloudError. */
  withdraw(owner: Owner, signal: AbortSignal): Promise<void>
  /** Nothing of the owner stands in any document any more, as seen in the cloud. */
  left(owner: Owner): boolean
  /** Every document stands with the owner's present fragments. */
  settled(owner: Owner): boolean
  /** One of the owner's documents was not looked at yet since the start: neither settled nor known to differ. */
  unseen(owner: Owner): boolean
  /** Why one of the owner's documents cannot be written. */
  failure(owner: Owner): Interpretation | undefined
  /** What the owner should know of its documents as they were last assembled. */
  notes(owner: Owner): readonly Reason[]
  /** The owner's own objects have changed: its documents may be able to let go of something. */
  again(owner: Owner): void
  /** One look at a document. */
  reconcile(document: string, signal: AbortSignal): Promise<WorkResult>
}

export interface DocumentsOptions {
  provider: Pick<Provider, 'assemble' | 'refine' | 'observe' | 'execute' | 'fragments' | 'documents'>
  cluster: string
  /** Puts a document into its queue. */
  enqueue: (document: string) => void
  /** Something changed for these owners: they want to look again. */
  moved: (owners: Owner[]) => void
  /** Called with each failed call. */
  failed?: (error: CloudError) => void
  driftMs: () => number
}

interface Entry {
  contributions: Map<string, Fragment>
  /** What stood for contributing owners when the document was last seen complete. */
  standing: Map<string, Fragment>
  failure: Interpretation | undefined
  notes: readonly Reason[]
  /** It was looked at by this process. */
  seen: boolean
}

/** A second writer changes a document between our read and our write; we read again so often before we wait. */
const conditionalTries = 5
/** Plans after plans that all succeed and never end are the cloud's disagreement with us, and have to wait. */
const rounds = 20

export function createDocuments(options: DocumentsOptions): Documents {
  const { provider, cluster, enqueue, moved } = options
  const entries = new Map<string, Entry>()
  /** Owners that contributed in this process, so that only their contributions count. */
  const known = new Set<string>()
  /** Owners that go, with the documents that may still hold them. */
  const leaving = new Map<string, { owner: Owner; documents: Set<string> }>()

  const entryOf = (document: string): Entry => {
    const entry = entries.get(document) ?? {
      contributions: new Map(),
      standing: new Map(),
      failure: undefined,
      notes: [],
      seen: false,
    }
    entries.set(document, entry)
    return entry
  }
  const entriesOf = (owner: Owner) =>
    [...entries.values()].filter(({ contributions }) => contributions.has(ownerKey(owner)))

  return {
    contribute(owner, fragments) {
      const key = ownerKey(owner)
      leaving.delete(key)
      if (fragments.length === 0 && !known.has(key)) return
      known.add(key)
      for (const fragment of fragments) {
        const entry = entryOf(fragment.document)
        const before = entry.contributions.get(key)
        if (before !== undefined && jsonEqual(before.content, fragment.content)) continue
        entry.contributions.set(key, fragment)
        enqueue(fragment.document)
      }
      const named = new Set(fragments.map(({ document }) => document))
      for (const [document, { contributions }] of entries) {
        if (!named.has(document) && contributions.delete(key)) enqueue(document)
      }
    },
    async withdraw(owner, signal) {
      const key = ownerKey(owner)
      if (leaving.has(key)) return
      const documents = new Set(
        [...entries].filter(([, entry]) => entry.contributions.has(key)).map(([document]) => document),
      )
      for (const { document } of (await provider.documents?.(cluster, signal)) ?? []) documents.add(document)
      for (const document of documents) entryOf(document).contributions.delete(key)
      known.delete(key)
      if (documents.size === 0) return
      leaving.set(key, { owner, documents })
      for (const document of documents) enqueue(document)
    },
    left: (owner) => !leaving.has(ownerKey(owner)),
    settled(owner) {
      const key = ownerKey(owner)
      return entriesOf(owner).every(({ contributions, standing }) => standing.get(key) === contributions.get(key))
    },
    unseen: (owner) => entriesOf(owner).some(({ seen }) => !seen),
    failure: (owner) => [...entriesOf(owner), ...leavingEntries(owner)].find(({ failure }) => failure)?.failure,
    notes: (owner) => entriesOf(owner).flatMap(({ notes }) => notes),
    again(owner) {
      for (const [document, { contributions }] of entries) if (contributions.has(ownerKey(owner))) enqueue(document)
    },
    async reconcile(document, signal) {
      const entry = entryOf(document)
      try {
        if (!(await write(document, entry, signal))) return { afterMs: 1000 }
        return entry.contributions.size > 0 ? { afterMs: options.driftMs() } : undefined
      } catch (error) {
        if (!(error instanceof CloudError)) throw error
        options.failed?.(error)
        entry.failure = interpret(error)
        moved([...ownersOf(document, entry)])
        return { retryMs: entry.failure.waitMs, pace: entry.failure.pace }
      }
    },
  }

  function leavingEntries(owner: Owner): Entry[] {
    return [...(leaving.get(ownerKey(owner))?.documents ?? [])].map(entryOf)
  }

  function* ownersOf(document: string, entry: Entry): Iterable<Owner> {
    for (const { owner } of entry.contributions.values()) yield owner
    for (const { owner, documents } of leaving.values()) if (documents.has(document)) yield owner
  }

  /** True when the document stands as wanted; false when the cloud is still at it. */
  async function write(document: string, entry: Entry, signal: AbortSignal): Promise<boolean> {
    const target: DocumentKey = { kind: 'document', document }
    for (let attempt = 1; ; attempt++) {
      const observed = await provider.observe(target, signal)
      const contributions = new Map(entry.contributions)
      const going = [...leaving].filter(([, { documents }]) => documents.has(document)).map(([key]) => key)
      const carried = (provider.fragments?.(target, observed) ?? []).filter(({ owner }) => {
        const key = ownerKey(owner)
        return !known.has(key) && !going.includes(key)
      })
      const { resources, notes = [] } = provider.assemble(target, [...contributions.values(), ...carried], observed)
      const { steps, waiting } = progress(resources, observed, provider.refine)
      entry.seen = true
      if (steps.length === 0) {
        if (waiting.length > 0) return false
        settle(document, entry, contributions, going, notes)
        return true
      }
      if (attempt > rounds) {
        const asked = steps.map(describeStep).join(', ')
        throw new CloudError('conflict', `the cloud does not keep what is written into ${document}: ${asked}`)
      }
      const { failed } = await apply(steps, provider, signal)
      if (failed === undefined) continue
      // Somebody else's object does not become ours by reading again.
      const passing = failed.error.kind === 'conflict' && failed.error.reason !== 'OwnedByOther'
      if (!passing || attempt >= conditionalTries) throw failed.error
    }
  }

  function settle(
    document: string,
    entry: Entry,
    contributions: Map<string, Fragment>,
    going: readonly string[],
    notes: readonly Reason[],
  ): void {
    const changed: Owner[] = []
    if (JSON.stringify(notes) !== JSON.stringify(entry.notes)) changed.push(...ownersOf(document, entry))
    entry.notes = notes
    for (const [key, fragment] of contributions) if (entry.standing.get(key) !== fragment) changed.push(fragment.owner)
    if (entry.failure !== undefined) changed.push(...ownersOf(document, entry))
    entry.failure = undefined
    entry.standing = contributions
    for (const key of going) {
      const gone = leaving.get(key)
      gone?.documents.delete(document)
      if (gone === undefined || gone.documents.size > 0) continue
      leaving.delete(key)
      changed.push(gone.owner)
    }
    if (entry.contributions.size === 0 && entry.standing.size === 0) entries.delete(document)
    if (changed.length > 0) moved(changed)
  }
}
