/** Asks a node whether it is healthy, over real sockets. HTTP is healthy with a status from 200 to 399, as cloud load balancers have it. */
import { get } from 'node:http'
import { connect } from 'node:net'
import type { Probe, ProbeResult } from './health.ts'

export const probe: Probe = (address, check, signal) =>
  new Promise<ProbeResult>((resolve) => {
    const timeoutMs = check.timeoutSeconds * 1000
    const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)])
    const done = (result: ProbeResult) => {
      limit.removeEventListener('abort', timedOut)
      stop()
      resolve(result)
    }
    const timedOut = () => done({ healthy: false, reason: `no answer within ${check.timeoutSeconds} s` })
    const failed = (error: Error) => done({ healthy: false, reason: error.message || 'connection failed' })
    limit.addEventListener('abort', timedOut, { once: true })
    const stop = check.protocol === 'TCP' ? knock() : ask()

    function knock(): () => void {
      const socket = connect({ host: address, port: check.port })
      socket.on('error', failed)
      socket.on('connect', () => done({ healthy: true }))
      return () => socket.destroy()
    }

    function ask(): () => void {
      const host = address.includes(':') ? `[${address}]` : address
      const headers = { host: `${host}:${check.port}`, 'user-agent': 'roadstead-balancer', connection: 'close' }
      const request = get({ host: address, port: check.port, path: check.path, agent: false, headers }, (response) => {
        response.on('error', () => {})
        response.resume()
        const status = response.statusCode ?? 0
        done(
          status >= 200 && status < 400
            ? { healthy: true }
            : { healthy: false, reason: `HTTP status ${status}`, answered: true },
        )
      })
      request.on('error', failed)
      return () => request.destroy()
    }
  })
