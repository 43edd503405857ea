/** The modes there are, one line each, and what running in one means for the others. */
import { type Clock, systemClock } from '../kube/clock.ts'
import type { Log } from '../kube/log.ts'
import { iptablesMode } from './iptables/mode.ts'
import { ipvsMode } from './ipvs/mode.ts'
import type { Mode } from './mode.ts'
import type { ModeName } from './mode-names.ts'
import { nftablesMode } from './nftables/mode.ts'
import type { Run } from './program.ts'

export function allModes(run: Run, clock: Clock = systemClock): readonly Mode[] {
  const nftables = nftablesMode(run)
  return [nftables, iptablesMode(run, clock, nftables), ipvsMode(run, clock)]
}

/**
 * Takes away the rules of all modes but `kept`. Called when those of `kept` are in place, so that no packet goes without: while both are
 * there, whichever translates first decides, and both decide alike. What fails is told and does no harm to the mode in use.
 */
export async function removeOthers(modes: readonly Mode[], kept: ModeName | undefined, log: Log): Promise<boolean> {
  let complete = true
  for (const mode of modes) {
    if (mode.name === kept) continue
    try {
      await mode.remove()
    } catch (error) {
      complete = false
      log.warn({ error, mode: mode.name }, 'rules of another mode could not be removed')
    }
  }
  return complete
}
