/**
 * The port to AWS over the AWS SDK, which only this file and ec2-client.ts load, and only when a cloud is made. One request a call: the SDK's
 * own retries are off, since operator/retry.ts is the one layer that retries. Credentials, region and endpoint come from the SDK's default
 * chains (environment, profile, IRSA, Pod Identity, instance) unless a setting says otherwise.
 */
import * as z from 'zod'
import { CloudError } from '../contract.ts'
import { answers } from './answers.ts'
import { actions } from './cloud.ts'
import type { Action, AwsCloud } from './cloud.ts'
import { cloudErrorOf } from './errors.ts'
import { instanceRegion } from './instance-metadata.ts'

export interface SdkOptions {
  /** Default: AWS_REGION, the profile's, the instance's. */
  region?: string
  /** For both services. Default: AWS_ENDPOINT_URL_ELASTIC_LOAD_BALANCING_V2, AWS_ENDPOINT_URL_EC2, AWS_ENDPOINT_URL, AWS itself. */
  endpoint?: string
  /** Default: the process's. */
  environment?: Readonly<Record<string, string | undefined>>
  /** A call without an answer is over after so long; default 15 s. */
  requestTimeoutMs?: number
}

/** The part of an SDK client that is used; its own types are 5,000 names long. */
interface SdkClient {
  send(command: object, options: { abortSignal: AbortSignal }): Promise<unknown>
}
type Service = (typeof actions)[Action]['service']

/** Loads the SDK, about 0.1 s. Without credentials it is the first call that fails. Throws RangeError when no region can be told. */
export async function createSdkCloud(options: SdkOptions = {}): Promise<AwsCloud> {
  const elb = await import('@aws-sdk/client-elastic-load-balancing-v2')
  const { ec2Commands, ec2Service } = await import('./ec2-client.ts')
  const config = {
    maxAttempts: 1,
    region:
      options.region ?? (await regionOf(new elb.ElasticLoadBalancingV2Client({}), options.environment ?? process.env)),
    ...(options.endpoint === undefined ? {} : { endpoint: options.endpoint }),
    requestHandler: {
      connectionTimeout: 5000,
      requestTimeout: options.requestTimeoutMs ?? 15_000,
      throwOnRequestTimeout: true,
    },
  }
  const clients: Record<Service, SdkClient> = {
    elasticloadbalancing: sending(new elb.ElasticLoadBalancingV2Client(config)),
    ec2: sending(new elb.ElasticLoadBalancingV2Client({ ...ec2Service, ...config })),
  }
  const commands: Record<Service, object> = { elasticloadbalancing: elb, ec2: ec2Commands }
  const calls = Object.entries(actions).map(([action, { service }]) => {
    const command = commandOf(commands[service], action)
    const parse = parserOf(action)
    const call = async (input: object, signal: AbortSignal) => {
      const answer = await request(clients[service], new command(toWire({ ...also(action, input), ...input })), {
        action: `${service}:${capital(action)}`,
        signal,
      })
      return parse(answer)
    }
    return [action, call]
  })
  // One entry per action of the table, which is keyed by the port's functions; answers.ts has the types of what they answer.
  return Object.fromEntries(calls) as AwsCloud
}

/** By the SDK's chain, else the instance's. */
async function regionOf(
  { config }: { config: { region: () => Promise<string> } },
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> {
  const found = await config.region().catch(() => instanceRegion(environment))
  if (found !== undefined) return found
  throw new RangeError('the region is not known: give the setting region or set AWS_REGION')
}

function sending(client: { send(command: never, options: { abortSignal: AbortSignal }): Promise<unknown> }): SdkClient {
  return { send: (command, options) => client.send(command as never, options) }
}

function commandOf(module: object, action: string): new (input: unknown) => object {
  const found: unknown = Reflect.get(module, `${capital(action)}Command`)
  if (typeof found !== 'function') throw new TypeError(`the SDK has no action ${capital(action)}`)
  return found as new (
    input: unknown,
  ) => object
}

/** Fields that are the same in every request of ours. */
function also(action: string, input: object): object {
  if (action === 'createLoadBalancer') return { type: 'network' }
  // Without a page size EC2 takes an unlimited describe from a smaller bucket; with ids it refuses one.
  const paged = ['describeSubnets', 'describeRouteTables', 'describeInstances', 'describeSecurityGroups']
  const byId = Object.keys(input).some((key) => key.endsWith('Ids'))
  return paged.includes(action) && !byId ? { maxResults: 1000 } : {}
}

async function request(
  client: SdkClient,
  command: object,
  { action, signal }: { action: string; signal: AbortSignal },
): Promise<unknown> {
  try {
    return await client.send(command, { abortSignal: signal })
  } catch (error) {
    throw refusal(error, action, signal)
  }
}

function parserOf(action: string): (answer: unknown) => unknown {
  const schema: z.ZodType | undefined = Object.entries(answers).find(([name]) => name === action)?.[1]
  if (schema === undefined) return () => undefined
  return (answer) => {
    const parsed = schema.safeParse(fromWire(answer))
    if (parsed.success) return parsed.data
    const [issue] = parsed.error.issues
    throw new CloudError(
      'unknown',
      `AWS answered ${capital(action)} with ${issue?.path.join('.') ?? ''}: ${issue?.message ?? ''}`,
      {
        cause: parsed.error,
      },
    )
  }
}

/** What the SDK throws: exceptions of the service, of the credential chain, of the network, of the parser. */
const thrown = z.looseObject({
  name: z.string().default('Error'),
  message: z.string().default(''),
  Code: z.string().optional(),
  RequestId: z.string().optional(),
  code: z.string().optional(),
  $metadata: z.looseObject({ httpStatusCode: z.number().optional(), requestId: z.string().optional() }).optional(),
  $response: z
    .looseObject({ statusCode: z.number().optional(), headers: z.record(z.string(), z.string()).optional() })
    .optional(),
})
const networkCode = /^(E[A-Z]{3,}|ERR_[A-Z_]+|UND_ERR_[A-Z_]+)$/

function refusal(error: unknown, action: string, signal: AbortSignal): CloudError {
  if (error instanceof CloudError) return error
  if (signal.aborted) return new CloudError('unavailable', `${action} was given up`, { code: 'Aborted', cause: error })
  const fields = error as Record<string, unknown>
  // Getters and inherited fields: zod reads own properties of a plain object.
  const parsed = thrown.safeParse({
    name: fields['name'],
    message: fields['message'],
    Code: fields['Code'],
    RequestId: fields['RequestId'],
    code: fields['code'],
    $metadata: fields['$metadata'],
    $response: fields['$response'],
  })
  if (!parsed.success) return new CloudError('unknown', `${action} failed: ${String(error)}`, { cause: error })
  const { name, message, Code, RequestId, code, $metadata, $response } = parsed.data
  const status = $metadata?.httpStatusCode ?? $response?.statusCode
  if (name === 'TimeoutError' || (code !== undefined && networkCode.test(code))) {
    return new CloudError('unavailable', `${action} got no answer: ${message || name}`, {
      code: code ?? name,
      cause: error,
    })
  }
  // An answer that is no refusal of the API, from something between us and AWS.
  if (status !== undefined && status >= 500 && Code === undefined) {
    return new CloudError('unavailable', `${action} was answered with HTTP ${status}`, {
      code: `HTTP${status}`,
      cause: error,
    })
  }
  // AWS sends it as a header; of some refusals the SDK has it from the body as well.
  const requestId = $metadata?.requestId ?? RequestId
  const after = Number($response?.headers?.['retry-after'])
  return cloudErrorOf(Code ?? name, message, {
    action,
    cause: error,
    ...(status === undefined ? {} : { status }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(after > 0 ? { retryAfterSeconds: after } : {}),
  })
}

/** Where the API's spelling is not our name with a capital. */
const spelling: Readonly<Record<string, string>> = {
  dnsName: 'DNSName',
  ipv6Address: 'IPv6Address',
  privateIpv4Address: 'PrivateIPv4Address',
}
const ours = Object.fromEntries(Object.entries(spelling).map(([name, wire]) => [wire, name]))

/** Keys as the API spells them, at every depth; fields that are undefined are left out. */
export function toWire(value: unknown): unknown {
  return rekeyed(value, (key) => spelling[key] ?? capital(key))
}

export function fromWire(value: unknown): unknown {
  return rekeyed(value, (key) => ours[key] ?? key.charAt(0).toLowerCase() + key.slice(1))
}

function rekeyed(value: unknown, name: (key: string) => string): unknown {
  if (Array.isArray(value)) return value.map((item) => rekeyed(item, name))
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([key, field]) => [name(key), rekeyed(field, name)]),
  )
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
