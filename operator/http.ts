/** /livez, /readyz and /metrics. Live: the event loop answers. Ready: leading with full caches, or standing by to lead. */
import { createServer } from 'node:http'
import type { Server } from 'node:http'

interface Page {
  code: number
  text: string
  contentType?: string
}

export type Pages = Readonly<Record<string, () => Page | Promise<Page>>>

/** Serves GET requests for fixed paths until closed. Rejects when the address cannot be taken. */
export async function servePages(
  address: { host: string; port: number },
  pages: Pages,
): Promise<{ port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?')[0] ?? '/'
    const page = Object.hasOwn(pages, path) ? pages[path] : undefined
    const answer = ({ code, text, contentType = 'text/plain; charset=utf-8' }: Page) => {
      response.writeHead(code, { 'content-type': contentType, 'cache-control': 'no-store' })
      response.end(request.method === 'HEAD' ? undefined : text)
    }
    if (page === undefined) return answer({ code: 404, text: 'not found\n' })
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return answer({ code: 405, text: 'method not allowed\n' })
    Promise.resolve()
      .then(page)
      .then(answer)
      .catch((error: unknown) => answer({ code: 500, text: `${String(error)}\n` }))
  })
  await listen(server, address)
  const bound = server.address()
  return {
    port: typeof bound === 'object' && bound !== null ? bound.port : address.port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

function listen(server: Server, { host, port }: { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    // Without a host node takes `::`, and 0.0.0.0 where the kernel has no IPv6.
    server.listen(host === '::' ? { port } : { host, port }, () => {
      server.off('error', reject)
      resolve()
    })
  })
}
