/**
 * A mode: one way to forward Services on a node, with the part of the kernel and the programs it needs. modes.ts names them all.
 * Every mode is given the same elements (elements.ts) and has the same rules to fulfil; what one cannot do is in integration/proxy/modes.ts.
 */
import type { Log } from '../kube/log.ts'
import type { IpvsConfig } from './config/config.ts'
import type { ModeName } from './mode-names.ts'
import type { WriterChoice } from './nftables/choose-writer.ts'
import type { SkeletonOptions } from './nftables/skeleton.ts'
import type { RuleWriter } from './writer.ts'

export interface ModeOptions {
  /** How Pods are told from others, and the mark; the same in every mode. */
  skeleton: SkeletonOptions
  /** Mode nftables only. */
  writer: WriterChoice
  /** Mode ipvs only; undefined: as without its flags. */
  ipvs?: IpvsConfig
  log: Log
}

export interface Mode {
  readonly name: ModeName
  /** Why it cannot be used on this machine and what to do about it; undefined when it can be. Changes nothing. */
  detect(options: ModeOptions): Promise<string | undefined>
  /**
   * Loads modules and makes kernel settings, for which CAP_NET_ADMIN is not enough. Only after `detect` found nothing. `--init-only` does it
   * for a container with fewer privileges; `open` does it too.
   */
  prepare?(options: ModeOptions): Promise<void>
  /** Only after `detect` found nothing. Rejects with WriteError. */
  open(options: ModeOptions): Promise<RuleWriter>
  /** Takes away what this mode has ever put into the kernel; fine when that is nothing, or when its programs are missing. */
  remove(): Promise<void>
}
