/**
 * An AWS answer as data, and the error documents of both protocols (elbv2: Query, ec2: its own), with the status codes AWS uses.
 */
import type { AwsCall, AwsService } from './aws-call.ts'

export interface Answer {
  readonly status: number
  /** An XML document. */
  readonly body: string
  /** The AWS error code, for answers that are errors. */
  readonly code?: string
}

export interface AwsError {
  code: string
  message: string
  /** Default 400. */
  status?: number
}

/** Thrown by a layer to answer with an error instead of the answer. */
export class AwsRefusal extends Error {
  readonly refusal: AwsError
  constructor(refusal: AwsError) {
    super(`${refusal.code}: ${refusal.message}`)
    this.refusal = refusal
  }
}

export function refuse(code: string, message: string, status = 400): never {
  throw new AwsRefusal({ code, message, status })
}

export function errorAnswer(call: Pick<AwsCall, 'service' | 'requestId'>, error: AwsError): Answer {
  const status = error.status ?? 400
  const inner = `<Code>${escapeXml(error.code)}</Code><Message>${escapeXml(error.message)}</Message>`
  const body =
    call.service === 'ec2'
      ? `<?xml version="1.0" encoding="UTF-8"?><Response><Errors><Error>${inner}</Error></Errors><RequestID>${call.requestId}</RequestID></Response>`
      : `<ErrorResponse xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"><Error><Type>${status < 500 ? 'Sender' : 'Receiver'}</Type>${inner}</Error><RequestId>${call.requestId}</RequestId></ErrorResponse>`
  return { status, body, code: error.code }
}

export function throttled(service: AwsService): AwsError {
  return service === 'ec2'
    ? { code: 'RequestLimitExceeded', message: 'Request limit exceeded.', status: 503 }
    : { code: 'ThrottlingException', message: 'Rate exceeded', status: 400 }
}

/** What IAM answers when a policy lacks the action. */
export function denied(service: AwsService, action: string): AwsError {
  return service === 'ec2'
    ? {
        code: 'UnauthorizedOperation',
        message: `You are not authorized to perform this operation. (${action})`,
        status: 403,
      }
    : {
        code: 'AccessDenied',
        message: `User: arn:aws:iam::123456789012:user/roadstead is not authorized to perform: elasticloadbalancing:${action} because no identity-based policy allows the elasticloadbalancing:${action} action`,
        status: 403,
      }
}

/** The error code of an answer from the emulator, undefined for a success. */
export function codeOf(status: number, body: string): string | undefined {
  if (status < 400) return undefined
  return /<Code>([^<]*)<\/Code>/.exec(body)?.[1] ?? `HTTP ${status}`
}

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
