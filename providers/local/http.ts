/**
 * Client of the local cloud's control API, over a unix socket (`unix:/path`) or HTTP (`http://host:port`). It plays the role
 * that sdk.ts has for other clouds: it alone talks to the network and makes CloudErrors. It does not retry.
 */
import type { IncomingHttpHeaders, RequestOptions } from 'node:http'
import { request as httpRequest } from 'node:http'
import { CloudError } from '../contract.ts'
import type { LocalCloud } from './cloud.ts'
import { cloudErrorOf } from './errors.ts'
import type { CloudObject } from './wire.ts'
import { cloudList, errorBody } from './wire.ts'

interface Answer {
  status: number
  headers: IncomingHttpHeaders
  text: string
}

const requestTimeoutMs = 30_000

/** Throws RangeError when `endpoint` is neither form. */
export function createHttpCloud(endpoint: string): LocalCloud {
  const place = parseEndpoint(endpoint)
  return {
    async list(tags, signal) {
      const { text } = await call('GET', `/v1/objects?${new URLSearchParams(tags).toString()}`, undefined, signal)
      return parseObjects(text)
    },
    async create({ kind, ...body }, signal) {
      await call('POST', `/v1/${kind}s`, body, signal)
    },
    async update({ kind, name, ...body }, signal) {
      await call('PUT', `/v1/${kind}s/${encodeURIComponent(name)}`, body, signal)
    },
    async remove(kind, name, tags, signal) {
      await call(
        'DELETE',
        `/v1/${kind}s/${encodeURIComponent(name)}?${new URLSearchParams(tags).toString()}`,
        undefined,
        signal,
      )
    },
  }

  async function call(method: string, path: string, body: unknown, signal: AbortSignal): Promise<Answer> {
    const answer = await exchange({ ...place, method, path }, body, signal)
    if (answer.status < 400) return answer
    throw refused(answer)
  }
}

function parseEndpoint(endpoint: string): RequestOptions {
  if (endpoint.startsWith('unix:/')) return { socketPath: endpoint.slice('unix:'.length) }
  if (!URL.canParse(endpoint)) throw new RangeError(`endpoint ${endpoint}: unix:/path or http://host:port`)
  const { protocol, hostname, port } = new URL(endpoint)
  if (protocol !== 'http:') throw new RangeError(`endpoint ${endpoint}: unix:/path or http://host:port`)
  return { hostname: hostname.replace(/^\[|\]$/g, ''), port: port || 80 }
}

function exchange(options: RequestOptions, body: unknown, signal: AbortSignal): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error) =>
      reject(
        new CloudError('unavailable', `the local cloud does not answer: ${cause.message}`, { code: 'NoAnswer', cause }),
      )
    const limit = AbortSignal.any([signal, AbortSignal.timeout(requestTimeoutMs)])
    const headers = body === undefined ? {} : { 'content-type': 'application/json' }
    const request = httpRequest({ ...options, headers, agent: false, signal: limit }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', failed)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      )
    })
    request.on('error', failed)
    request.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

function refused({ status, headers, text }: Answer): CloudError {
  const body = errorBody.safeParse(parseJson(text))
  if (!body.success) return new CloudError('unknown', `the local cloud answered ${status}`, { code: String(status) })
  const { code, message, requestId } = body.data.error
  const retryAfter = Number(headers['retry-after'])
  return cloudErrorOf(code, message, {
    ...(requestId === undefined ? {} : { requestId }),
    ...(Number.isFinite(retryAfter) ? { retryAfterSeconds: retryAfter } : {}),
  })
}

function parseObjects(text: string): CloudObject[] {
  const parsed = cloudList.safeParse(parseJson(text))
  if (parsed.success) return parsed.data.items
  throw new CloudError('unknown', 'the local cloud answered with something that is no list of objects', {
    code: 'UnexpectedAnswer',
    cause: parsed.error,
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
