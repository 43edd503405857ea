/**
 * The way from the proxy to the emulator: one AWS call as an HTTP request over kept-alive connections. Emulators do not check
 * signatures, so a call may have other parameters than the client signed; the region is taken from the signature's scope.
 */
import { Agent, request } from 'node:http'
import { type Answer, codeOf } from './answer.ts'
import type { AwsCall } from './aws-call.ts'

export interface Upstream {
  call(call: AwsCall): Promise<Answer>
  /** Anything that is no AWS call, for example an emulator's own control paths. */
  raw(method: string, path: string, body: string): Promise<{ status: number; type: string; body: string }>
  close(): void
}

const signed = { elbv2: 'elasticloadbalancing', ec2: 'ec2', other: 'sts' } as const

export function createUpstream(url: string): Upstream {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 })

  function send(method: string, path: string, headers: Record<string, string>, body: string) {
    return new Promise<{ status: number; type: string; body: string }>((resolve, reject) => {
      const outgoing = request(new URL(path, `${url}/`), { method, agent, headers }, (answer) => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (piece: string) => (text += piece))
        answer.on('end', () =>
          resolve({ status: answer.statusCode ?? 502, type: answer.headers['content-type'] ?? '', body: text }),
        )
        answer.on('error', reject)
      })
      outgoing.on('error', reject)
      outgoing.end(body)
    })
  }

  return {
    async call(call) {
      const scope = `${new Date().toISOString().slice(0, 10).replaceAll('-', '')}/${call.region}/${signed[call.service]}/aws4_request`
      const body = new URLSearchParams([...call.parameters]).toString()
      const answer = await send(
        'POST',
        '/',
        {
          'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
          'content-length': String(Buffer.byteLength(body)),
          authorization: `AWS4-HMAC-SHA256 Credential=test/${scope}, SignedHeaders=host, Signature=00`,
        },
        body,
      )
      const code = codeOf(answer.status, answer.body)
      return { status: answer.status, body: answer.body, ...(code === undefined ? {} : { code }) }
    },
    raw: async (method, path, body) =>
      await send(method, path, { 'content-length': String(Buffer.byteLength(body)) }, body),
    close: () => agent.destroy(),
  }
}
