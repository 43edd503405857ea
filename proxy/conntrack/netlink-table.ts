/**
 * Flows through a netlink socket. The kernel walks its whole table for every request, 20 ms and more, and answers in parts of 32 KiB: it
 * does so in a thread, so that everything else goes on between the parts. Each sweep has a socket of its own, so that one that was given
 * up leaves nothing behind.
 */
import { constants } from 'node:os'
import { exchange, refusalIn } from '../netlink/exchange.ts'
import { control, readMessages, walkMessages } from '../netlink/messages.ts'
import { type Netlink, NetlinkFailure, type RequestSocket } from '../netlink/socket.ts'
import { FlowFailure, type FlowQuery, type FlowTable } from './flow.ts'
import { countRequest, deleteRequest, dumpRequest, readCount } from './flow-messages.ts'
import { flowReader, type ShownFlow } from './flow-reader.ts'

const deletionsAtOnce = 500

/** @param mostStale how many are remembered before they are deleted; when there are more, the table is looked through again */
export function netlinkTable(open: Netlink['open'], mostStale = 50_000): FlowTable {
  return {
    name: 'netlink',
    count: () => onSocket(open, async (socket) => counted(socket)),
    sweep: (query, isStale) =>
      onSocket(open, async (socket) => {
        let removed = 0
        for (;;) {
          const stale: Buffer[] = []
          const seen = await shown(socket, query, (flow) => {
            if (stale.length < mostStale && isStale(flow)) stale.push(flow.handle())
          })
          const gone = await deleted(socket, query, stale)
          removed += gone
          if (stale.length < mostStale || gone === 0) return { seen, removed }
        }
      }),
  }
}

async function onSocket<T>(open: Netlink['open'], work: (socket: RequestSocket) => Promise<T>): Promise<T> {
  let socket: RequestSocket | undefined
  try {
    socket = open()
    return await work(socket)
  } catch (cause) {
    if (!(cause instanceof NetlinkFailure)) throw cause
    throw new FlowFailure(cause.message, { cause })
  } finally {
    socket?.close()
  }
}

/** Throws NetlinkFailure when the kernel does not track connections, or does not let us look. */
export function counted(socket: RequestSocket): number {
  let flows = 0
  const answer = exchange(socket, countRequest(), (message) => (flows = readCount(message)))
  const refusal = refusalIn(answer, 'connection tracking')
  if (refusal) throw refusal
  return flows
}

async function shown(socket: RequestSocket, query: FlowQuery, visit: (flow: ShownFlow) => void): Promise<number> {
  const read = flowReader(query.family)
  const end = { reached: false }
  let seen = 0
  await socket.sendInThread(dumpRequest(query))
  while (!end.reached) {
    const part = await socket.receiveInThread()
    if (part === undefined) throw new NetlinkFailure('flows: the dump has no end', constants.errno.ENODATA)
    read(part, (flow) => {
      seen++
      visit(flow)
    })
    walkMessages(part, (type) => {
      if (type === control.done || type === control.error) end.reached = true
    })
    if (end.reached) throwRefusal(part)
  }
  return seen
}

function throwRefusal(part: Buffer): void {
  readMessages(
    part,
    () => {},
    ({ acknowledgement }) => {
      if (acknowledgement && acknowledgement.errno !== 0) throw new NetlinkFailure('flows', acknowledgement.errno)
    },
  )
}

async function deleted(socket: RequestSocket, { family }: FlowQuery, handles: readonly Buffer[]): Promise<number> {
  let removed = handles.length
  for (let from = 0; from < handles.length; from += deletionsAtOnce) {
    await socket.sendInThread(deleteRequest(family, handles.slice(from, from + deletionsAtOnce)))
    for (let part = socket.receive(); part !== undefined; part = socket.receive()) {
      readMessages(
        part,
        () => {},
        ({ acknowledgement }) => {
          const errno = acknowledgement?.errno ?? 0
          if (errno === 0) return
          // It ended by itself, or the client has opened it anew.
          if (errno === constants.errno.ENOENT) removed--
          else throw new NetlinkFailure('deleting a flow', errno)
        },
      )
    }
  }
  return removed
}
