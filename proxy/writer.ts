/** What the proxy asks of the kernel: to hold elements. */
import type { Family } from './rules/addresses.ts'
import type { Change, ElementSet } from './rules/elements.ts'

/** A client and the endpoint it keeps, learned by the kernel. */
export interface AffinityEntry {
  family: Family
  /** The client and, last, the session's id (elements.ts): `192.0.2.7 . 1a2b:3c4d`. What stands for the client is the writer's affair. */
  key: string
  /** `ip . port` of the endpoint; one of the two may be missing */
  target: string
  /** As nft prints it, for example `timeout 3s expires 2s`. */
  lifetime: string
}

export interface RuleCount {
  family: Family
  table: string
  present: number
  /** In the last batch that was written. */
  written: number
}

/** All calls are made one after another. Each either happens completely or rejects with WriteError; a change that is rejected changes nothing. */
export interface RuleWriter {
  readonly name: string
  /** Those it writes rules of; absent: both. */
  readonly families?: readonly Family[]
  /** The elements in our tables; undefined when these are missing or of another skeleton. */
  read(): Promise<Map<string, string> | undefined>
  /** Our tables whole and with exactly these elements, whatever was there. What clients affinity remembers is kept. */
  replace(elements: ElementSet): Promise<void>
  /** Chains that new verdicts need are made in the same batch, before them. */
  apply(change: Change): Promise<void>
  /** Whether our tables are still there with our skeleton. */
  intact(): Promise<boolean>
  affinity(): Promise<AffinityEntry[]>
  forget(entries: readonly AffinityEntry[]): Promise<void>
  /** Deletes our tables; fine when there are none. */
  remove(): Promise<void>
  /** Rules of ours by family and table; absent where Services are no rules. */
  ruleCounts?(): readonly RuleCount[]
  /**
   * Calls back when somebody else may have changed our tables, and after notifications were lost; absent where the writer cannot know.
   * Returns what ends it.
   */
  watch?(onForeignChange: () => void): () => void
  /** Seconds that the kernel has taken for batches so far; absent where another program stands in between. */
  kernelSeconds?(): number
}

export class WriteError extends Error {
  override readonly name = 'WriteError'
}
