/** One HTTP exchange with an API server as the corpus needs it: JSON in, JSON and warnings out. */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Reply, Send } from './replay.ts'

/** `token` undefined: no credentials. The certificate is not checked: both ends are on this machine's loopback. */
export function sendTo(url: string, token?: string): Send {
  return (method, path, contentType, body) =>
    new Promise<Reply>((resolve, reject) => {
      const target = new URL(path, url)
      const request = target.protocol === 'https:' ? httpsRequest : httpRequest
      const headers: Record<string, string> = { accept: 'application/json' }
      const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body))
      if (payload !== undefined) {
        headers['content-type'] = contentType
        // Node sends no length for DELETE by itself, and the body would be taken for the next request.
        headers['content-length'] = String(payload.length)
      }
      if (token !== undefined) headers['authorization'] = `Bearer ${token}`
      const asked = request(target, { method, headers, rejectUnauthorized: false }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8')
          resolve({
            code: response.statusCode ?? 0,
            body: parsed(text),
            warnings: warningsOf(response.headers['warning']),
          })
        })
      })
      asked.on('error', reject)
      asked.end(payload)
    })
}

function parsed(text: string): Reply['body'] {
  try {
    return JSON.parse(text) as Reply['body']
  } catch {
    return text
  }
}

/** `299 - "text", 299 - "text"` */
function warningsOf(header: string | string[] | undefined): string[] {
  const joined = Array.isArray(header) ? header.join(', ') : (header ?? '')
  return [...joined.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)].map(([, text = '']) => text.replaceAll(/\\(.)/g, '$1'))
}
