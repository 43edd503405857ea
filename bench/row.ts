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

export function missed({ value, atMost = Infinity, atLeast = -Infinity }: BenchRow): boolean {
  return !(value <= atMost && value >= atLeast)
}
