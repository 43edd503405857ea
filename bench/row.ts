/** One figure of a benchmark. `id` is stable; scripts compare it between runs. */
export interface BenchRow {
  id: string
  value: number
  unit: string
}
