/** HTTP servers on fixed ports. `0.0.0.0` and `::` both mean every address of both families, as far as the node has them. */
import { createServer, type RequestListener, type Server } from 'node:http'
import { type AddressInfo, isIPv6 } from 'node:net'

export interface Listening {
  /** `host:port` as bound. */
  address: string
  port: number
  close(): Promise<void>
}

export interface ListenAt {
  host: string
  port: number
}

/** Rejects when the port is taken or the address is not the node's. */
export async function listen(at: ListenAt, respond: RequestListener): Promise<Listening> {
  const any = at.host === '0.0.0.0' || at.host === '::'
  if (!any) return bind(at, respond)
  try {
    return await bind({ host: '::', port: at.port }, respond)
  } catch (error) {
    // No IPv6 on this node.
    if (codeOf(error) === 'EAFNOSUPPORT' || codeOf(error) === 'EADDRNOTAVAIL') {
      return bind({ host: '0.0.0.0', port: at.port }, respond)
    }
    throw error
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function bind(at: ListenAt, respond: RequestListener): Promise<Listening> {
  return new Promise((resolve, reject) => {
    const server = createServer(respond)
    server.once('error', reject)
    server.listen({ host: at.host, port: at.port, ipv6Only: false }, () => {
      server.off('error', reject)
      const { port } = server.address() as AddressInfo
      resolve({
        address: `${isIPv6(at.host) ? `[${at.host}]` : at.host}:${port}`,
        port,
        close: () => closed(server),
      })
    })
  })
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

/** The health port is taken or not ours. */
export class ListenFailure extends Error {
  override readonly name = 'ListenFailure'
  constructor(what: string, at: ListenAt, cause: unknown) {
    super(
      `the ${what} port ${at.host}:${at.port} cannot be opened (${messageOf(cause)}): is another proxy running on this node?`,
      {
        cause,
      },
    )
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
