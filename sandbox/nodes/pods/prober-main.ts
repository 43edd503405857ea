/**
 * Runs readiness probes from inside a node's namespace, where kubelet would be: one process a node for all its Pods.
 * Speaks with prober.ts over the IPC channel; ends when the channel closes. Success is as kubelet says: HTTP 200 to 399, TCP connected.
 */
import { get } from 'node:http'
import { connect } from 'node:net'
import type { ProbeTarget } from './probe.ts'

interface ProbeRequest {
  id: number
  host: string
  target: ProbeTarget
  timeoutMs: number
}

process.on('message', (message) => {
  // The only sender is prober.ts, our parent.
  const request = message as ProbeRequest
  const answer = (failure: string) => process.send?.({ id: request.id, failure })
  if (request.target.kind === 'http') probeHttp(request, request.target, answer)
  else probeTcp(request, request.target.port, answer)
})
process.on('disconnect', () => process.exit(0))

/** `failure` is empty on success. */
function probeHttp(
  request: ProbeRequest,
  target: ProbeTarget & { kind: 'http' },
  answer: (failure: string) => void,
): void {
  const url = { host: request.host, port: target.port, path: target.path }
  const headers = { 'User-Agent': 'kube-probe/1.36', Accept: '*/*', ...target.headers }
  const signal = AbortSignal.timeout(request.timeoutMs)
  const call = get({ ...url, headers, agent: false, signal }, (response) => {
    response.resume()
    response.on('error', () => {})
    const code = response.statusCode ?? 0
    answer(code >= 200 && code < 400 ? '' : `HTTP probe failed with statuscode: ${code}`)
    call.removeAllListeners('error').on('error', () => {})
  })
  call.on('error', (error) => answer(signal.aborted ? `no answer within ${request.timeoutMs} ms` : error.message))
}

function probeTcp(request: ProbeRequest, port: number, answer: (failure: string) => void): void {
  const socket = connect({ host: request.host, port })
  const end = (failure: string) => {
    socket.destroy()
    clearTimeout(timer)
    answer(failure)
  }
  const timer = setTimeout(() => end(`no answer within ${request.timeoutMs} ms`), request.timeoutMs)
  socket.once('connect', () => end(''))
  socket.once('error', (error) => end(error.message))
}
