/** The repairs by name, in the order of their layers (outermost first), and the state they share. */
import type { Layer } from '../layer.ts'
import type { Settings } from '../settings.ts'
import { arnForm } from './arn-form.ts'

const table = { 'arn-form': () => arnForm } satisfies Record<string, () => Layer>

export type RepairName = keyof typeof table

// oxlint-disable-next-line typescript/no-empty-object-type
export interface RepairedCloud {}

export interface RepairContext {
  now(): number
  settings(): Settings
}

export function repairLayers(context: RepairContext & { names: readonly RepairName[] | undefined }) {
  const names = context.names ?? (Object.keys(table) as RepairName[])
  const cloud: RepairedCloud = {}
  return { layers: names.map((name) => table[name]()), cloud }
}
