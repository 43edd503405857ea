/** A row of the table of behaviours, and how it names its tests. */
import type { ModeName } from '../../../proxy/mode-names.ts'

export interface Shown {
  file: string
  title: string
  /** Which modes it is about, where neither its suite nor its file says it and it is not about all. */
  modes?: readonly ModeName[]
}

export interface Behaviour {
  /** Lower case with hyphens; unique. */
  id: string
  point: keyof typeof points
  text: string
  shown: readonly Shown[]
  /** Nothing in it depends on the mode: a test in one of them counts for all. */
  sameCode?: true
  /** Why a mode has no test of it. A test that is there and skipped gives its own reason. */
  lacking?: Partial<Record<ModeName, string>>
}

export const points = {
  1: 'Services',
  2: 'Health',
  3: 'Connection tracking and kernel settings',
  4: 'Restarts, and changes made by others',
  5: 'Configuration and metrics',
  6: 'Changes of externalTrafficPolicy',
  7: 'Modes',
  8: 'Writing the rules',
} as const

const of =
  (file: string) =>
  (...titles: readonly string[]): Shown[] =>
    titles.map((title) => ({ file, title }))

/** Tests with real kernels and processes. */
export const real = (name: string) => of(`integration/proxy/${name}.test.ts`)
export const unit = (name: string) => of(`proxy/${name}.test.ts`)
