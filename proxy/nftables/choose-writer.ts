/** Picks how rules are written on this machine: by netlink, or by nft processes where netlink cannot be used. */
import type { Log } from '../../kube/log.ts'
import { exchange, refusalIn } from '../netlink/exchange.ts'
import { loadNetlink, NetlinkFailure, type NetlinkSocket, NetlinkUnavailable } from '../netlink/socket.ts'
import { type RuleWriter, WriteError } from '../writer.ts'
import { command, request } from './element-messages.ts'
import { netlinkWriter } from './netlink-writer.ts'
import type { Nft } from './nft.ts'
import type { SkeletonOptions } from './skeleton.ts'
import { textWriter } from './text-writer.ts'

export const writerChoices = ['auto', 'netlink', 'nft'] as const

export type WriterChoice = (typeof writerChoices)[number]

export interface ChooseWriterOptions {
  nft: Nft
  skeleton: SkeletonOptions
  log: Log
  load?: typeof loadNetlink
}

/** Rejects with WriteError when netlink is asked for and cannot be used. */
export async function chooseWriter(
  choice: WriterChoice,
  { nft, skeleton, log, load = loadNetlink }: ChooseWriterOptions,
): Promise<RuleWriter> {
  if (choice === 'nft') return textWriter(nft, skeleton)
  try {
    const netlink = await load()
    const socket = netlink.open()
    probe(socket)
    return netlinkWriter({ netlink, socket, nft, skeleton })
  } catch (error) {
    if (!(error instanceof NetlinkUnavailable) && !(error instanceof NetlinkFailure)) throw error
    if (choice === 'netlink') throw new WriteError(`netlink cannot be used: ${error.message}`, { cause: error })
    log.warn(
      { error },
      'netlink cannot be used: rules are written by nft processes, and changes by others are seen late',
    )
    return textWriter(nft, skeleton)
  }
}

/** The kernel answers to those only who may change rules (CAP_NET_ADMIN), and only where it has nf_tables. */
function probe(socket: NetlinkSocket): void {
  try {
    const answer = exchange(
      socket,
      request(command.getGeneration, undefined, 0, () => {}),
    )
    const refusal = refusalIn(answer, 'nf_tables')
    if (refusal) throw refusal
  } catch (error) {
    socket.close()
    throw error
  }
}
