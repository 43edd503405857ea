/** How flows are reached on this machine: by netlink, by the `conntrack` program, or not at all, which is said once. */
import type { Log } from '../../kube/log.ts'
import { loadNetlink, NetlinkFailure, NetlinkUnavailable } from '../netlink/socket.ts'
import { ProgramMissing, type Run } from '../program.ts'
import { type FlowTable } from './flow.ts'
import { counted, netlinkTable } from './netlink-table.ts'
import { programTable } from './program-table.ts'

export interface ChooseTableOptions {
  run: Run
  turn: () => Promise<void>
  log: Log
  load?: typeof loadNetlink
}

/** Undefined: flows to endpoints that are gone stay until their clients are silent for a while. */
export async function chooseTable({
  run,
  turn,
  log,
  load = loadNetlink,
}: ChooseTableOptions): Promise<FlowTable | undefined> {
  let reason: string
  try {
    const netlink = await load()
    const socket = netlink.open()
    try {
      counted(socket)
    } finally {
      socket.close()
    }
    return netlinkTable(() => netlink.open())
  } catch (error) {
    if (!(error instanceof NetlinkUnavailable) && !(error instanceof NetlinkFailure)) throw error
    reason = error.message
  }
  const complaint = await complaintOfProgram(run)
  if (complaint === undefined) {
    log.warn({ reason }, 'netlink cannot be used: stale UDP flows are removed by the conntrack program')
    return programTable({ run, turn })
  }
  log.warn(
    { reason, conntrack: complaint },
    'UDP flows to endpoints that are gone cannot be removed: needs CAP_NET_ADMIN and netlink, or the conntrack program',
  )
  return undefined
}

async function complaintOfProgram(run: Run): Promise<string | undefined> {
  try {
    const { code, stderr } = await run('conntrack', ['-C'])
    return code === 0 ? undefined : stderr || `exit code ${code}`
  } catch (error) {
    if (error instanceof ProgramMissing) return error.message
    throw error
  }
}
