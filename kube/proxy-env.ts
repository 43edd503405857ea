/** The HTTP proxy on the way to an API server, in the form that node:http agents take (`proxyEnv`). */
import { isIP } from 'node:net'
import { UsageError } from './flags.ts'

/** The cluster's `proxy-url` first, then HTTPS_PROXY / HTTP_PROXY with NO_PROXY. Loopback is never proxied, as in Go. */
export function proxyEnv(
  server: URL,
  proxyUrl: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Record<string, string> | undefined {
  if (proxyUrl) return { HTTPS_PROXY: checked(proxyUrl), HTTP_PROXY: checked(proxyUrl) }
  if (isLoopback(server.hostname)) return undefined
  const name = server.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY'
  const proxy = env[name] || env[name.toLowerCase()]
  if (!proxy) return undefined
  const exceptions = env['NO_PROXY'] || env['no_proxy']
  return { [name]: checked(proxy), ...(exceptions && { NO_PROXY: exceptions }) }
}

function checked(proxy: string): string {
  const url = URL.canParse(proxy) ? new URL(proxy) : undefined
  if (url?.protocol === 'http:' || url?.protocol === 'https:') return proxy
  throw new UsageError(`proxy ${proxy}: only http:// and https:// proxies are supported`)
}

function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '')
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'))
}
