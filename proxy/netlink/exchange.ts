/**
 * Asking the kernel and hearing its answer: one request, a dump, an atomic batch. All answers are there when `send` returns; of a dump
 * the next part is made when the one before was received.
 */
import { constants } from 'node:os'
import { type Acknowledgement, flag, type Message, readMessages } from './messages.ts'
import { NetlinkFailure, type NetlinkSocket } from './socket.ts'

/** Messages that answer one datagram, and the acknowledgements and errors among them. */
export interface Answer {
  acknowledgements: Acknowledgement[]
  /** A dump that was changed meanwhile: repeat it. */
  interrupted: boolean
}

/** Sends and reads everything that comes back. Throws NetlinkFailure when the socket fails, or answers were lost (ENOBUFS). */
export function exchange(
  socket: NetlinkSocket,
  datagram: Uint8Array,
  onMessage: (message: Message) => void = () => {},
): Answer {
  // Answers that nobody fetched after a failure must not be taken for answers to this.
  drain(socket)
  socket.send(datagram)
  const answer: Answer = { acknowledgements: [], interrupted: false }
  for (let part = socket.receive(); part !== undefined; part = socket.receive()) {
    readMessages(
      part,
      (message) => {
        if (message.flags & flag.interrupted) answer.interrupted = true
        onMessage(message)
      },
      ({ flags, acknowledgement }) => {
        if (flags & flag.interrupted) answer.interrupted = true
        if (acknowledgement) answer.acknowledgements.push(acknowledgement)
      },
    )
  }
  return answer
}

/** The first refusal in an answer, as an error; `what` names the request. */
export function refusalIn(answer: Answer, what: string): NetlinkFailure | undefined {
  const refused = answer.acknowledgements.find(({ errno }) => errno !== 0)
  return refused && new NetlinkFailure(refused.message ? `${what} (${refused.message})` : what, refused.errno)
}

/** How often a dump is repeated when others write all the time. */
const dumpAttempts = 10

/**
 * A dump of one moment. `begin` is called before each attempt: what was collected in the one before is void.
 * Throws NetlinkFailure: EINTR when there was a change during every attempt.
 */
export function dump(
  socket: NetlinkSocket,
  what: string,
  datagram: Uint8Array,
  begin: () => void,
  onMessage: (message: Message) => void,
): void {
  for (let attempt = 0; attempt < dumpAttempts; attempt++) {
    begin()
    const answer = exchange(socket, datagram, onMessage)
    const refusal = refusalIn(answer, what)
    if (refusal && refusal.code !== 'EINTR') throw refusal
    if (refusal === undefined && !answer.interrupted) return
  }
  throw new NetlinkFailure(what, constants.errno.EINTR)
}

function drain(socket: NetlinkSocket): void {
  for (;;) {
    try {
      if (socket.receive() === undefined) return
    } catch (error) {
      if (!(error instanceof NetlinkFailure && error.code === 'ENOBUFS')) throw error
    }
  }
}
