/** One figure of a benchmark. `id` is stable; scripts compare it between runs. */
export interface BenchRow {
  id: string
  value: number
  unit: string
  /** What the value may be at most or must be at least; a row that misses it fails the run. */
  atMost?: number
  atLeast?: number
  /** What others need for the same, in words. */
  others?: string
}

/** What the command line says to every benchmark; one that has no use for it takes no notice. */
export interface BenchOptions {
  /** Sections to run; undefined: all. */
  only?: readonly string[] | undefined
  /** Counts as the figures were stated, where the usual run is shorter. */
  full: boolean
}

export function missed({ value, atMost = Infinity, atLeast = -Infinity }: BenchRow): boolean {
  return !(value <= atMost && value >= atLeast)
}
