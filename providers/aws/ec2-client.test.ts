/** Our client for EC2 next to @aws-sdk/client-ec2: the same requests to the same place, and the same read from the same answers. */
import assert from 'node:assert/strict'
import { Readable } from 'node:stream'
import { describe, test } from 'node:test'
import { EC2Client } from '@aws-sdk/client-ec2'
import * as theirs from '@aws-sdk/client-ec2'
import { ElasticLoadBalancingV2Client } from '@aws-sdk/client-elastic-load-balancing-v2'
import { HttpResponse } from '@smithy/core/protocols'
import type { HttpRequest } from '@smithy/core/protocols'
import { NormalizedSchema } from '@smithy/core/schema'
import { answers } from './answers.ts'
import { ec2Commands, ec2Endpoint, ec2Service } from './ec2-client.ts'
import type { OperationShape } from './ec2-shapes.ts'
import { ec2Operations } from './ec2-shapes.ts'
import { fromWire } from './sdk.ts'

interface Client {
  send(command: object): Promise<object>
}

const credentials = { accessKeyId: 'AKIA', secretAccessKey: 'secret' }

/** Both clients, on a network that answers `xml` and keeps what it was asked. */
function pair(xml: string, region = 'eu-west-1') {
  const asked: HttpRequest[] = []
  const requestHandler = {
    handle: (request: HttpRequest) => {
      asked.push(request)
      return Promise.resolve({
        response: new HttpResponse({ statusCode: 200, body: Readable.from([Buffer.from(xml)]) }),
      })
    },
  }
  const config = { region, credentials, requestHandler, maxAttempts: 1 }
  const clients: readonly [Client, Client] = [
    new ElasticLoadBalancingV2Client({ ...ec2Service, ...config }),
    new EC2Client(config),
  ]
  return { asked, clients }
}

function commandFrom(module: object, name: string): new (input: unknown) => object {
  return Reflect.get(module, `${name}Command`) as new (
    input: unknown,
  ) => object
}

/** A value with every field of a schema, two entries in every list, no two leaves alike. */
function filled(schema: NormalizedSchema, next: () => number): unknown {
  if (schema.isListSchema()) return [0, 1].map(() => filled(schema.getValueSchema(), next))
  if (schema.isStructSchema())
    return Object.fromEntries([...schema.structIterator()].map(([name, member]) => [name, filled(member, next)]))
  if (schema.isBooleanSchema()) return true
  return schema.isNumericSchema() ? next() : `text-${next()}`
}

/** The same as an answer's XML. */
function written(schema: NormalizedSchema, next: () => number): string {
  if (schema.isListSchema()) return [0, 1].map(() => `<item>${written(schema.getValueSchema(), next)}</item>`).join('')
  if (schema.isStructSchema())
    return [...schema.structIterator()]
      .map(([name, member]) => {
        const element = member.getMemberTraits().xmlName ?? name
        return `<${element}>${written(member, next)}</${element}>`
      })
      .join('')
  if (schema.isBooleanSchema()) return 'true'
  if (schema.isTimestampSchema()) return '2026-01-01T00:00:00.000Z'
  return schema.isNumericSchema() ? String(next()) : `text-${next()}`
}

function counter(): () => number {
  let last = 0
  return () => ++last
}

/** Of a request, what does not differ between two of the same: the parameters in any order, the signature's scope in place of the signature. */
function essence({ method, protocol, hostname, path, query, body, headers }: HttpRequest) {
  const { authorization = '', ...others } = headers
  const changing = /^(amz-sdk-invocation-id|x-amz-(date|user-agent|content-sha256)|user-agent)$/
  return {
    method,
    protocol,
    hostname,
    path,
    query,
    parameters: String(body).split('&').sort(),
    scope: authorization.replace(/Signature=.*/, '').replace(/\d{8}/, 'DATE'),
    headers: Object.fromEntries(Object.entries(others).filter(([name]) => !changing.test(name))),
  }
}

describe('the client for EC2', () => {
  for (const [action, shape] of Object.entries(ec2Operations)) {
    const name = shape[2]
    const theirShape = Reflect.get(theirs, `${name}$`) as OperationShape

    test(`${action} sends what the SDK's client for EC2 sends`, async () => {
      const { asked, clients } = pair(`<${name}Response/>`)
      const input = filled(NormalizedSchema.of(shape[4]), counter())
      await clients[0].send(new (commandFrom(ec2Commands, name))(input))
      await clients[1].send(new (commandFrom(theirs, name))(input))
      const [ours, reference] = asked.map(essence)
      assert.deepEqual(ours, reference)
      assert.match(String(ours?.scope), /Credential=AKIA\/DATE\/eu-west-1\/ec2\/aws4_request/)
    })

    test(`${action} reads what the SDK's client for EC2 reads`, async () => {
      const output = NormalizedSchema.of(theirShape[5])
      const xml = `<${name}Response>${output.isUnitSchema() ? '' : written(output, counter())}</${name}Response>`
      const { clients } = pair(xml)
      const parse = Object.entries(answers).find(([key]) => key === action)?.[1]
      const [ours, reference] = await Promise.all([
        clients[0].send(new (commandFrom(ec2Commands, name))({})),
        clients[1].send(new (commandFrom(theirs, name))({})),
      ])
      if (parse === undefined) assert.deepEqual(Object.keys(ours ?? {}), ['$metadata'])
      else assert.deepEqual(parse.parse(fromWire(ours)), parse.parse(fromWire(reference)))
    })
  }

  test('is where the SDK has EC2, in every partition, with FIPS and dual stack endpoints and without', async () => {
    const regions = [
      'eu-west-1',
      'us-east-1',
      'cn-north-1',
      'us-gov-west-1',
      'us-iso-east-1',
      'eusc-de-east-1',
      'mars-1',
    ]
    for (const Region of regions) {
      for (const [UseFIPS, UseDualStack] of [
        [false, false],
        [true, false],
        [false, true],
        [true, true],
      ] as const) {
        const where = { Region, UseFIPS, UseDualStack }
        assert.equal(
          hostOrRefusal(() => ec2Endpoint(where)),
          await theirHost(where),
          JSON.stringify(where),
        )
      }
    }
  })

  test('AWS_ENDPOINT_URL_EC2 names its endpoint', async () => {
    const before = process.env['AWS_ENDPOINT_URL_EC2']
    process.env['AWS_ENDPOINT_URL_EC2'] = 'http://ec2.invalid:4566'
    try {
      const { asked, clients } = pair('<DescribeSubnetsResponse/>')
      await clients[0].send(new (commandFrom(ec2Commands, 'DescribeSubnets'))({}))
      assert.equal(asked[0]?.hostname, 'ec2.invalid')
    } finally {
      if (before === undefined) delete process.env['AWS_ENDPOINT_URL_EC2']
      else process.env['AWS_ENDPOINT_URL_EC2'] = before
    }
  })

  test('an endpoint of your own is used as it is, and not with FIPS', () => {
    assert.equal(ec2Endpoint({ Region: 'eu-west-1', Endpoint: 'http://localhost:4566' }), 'http://localhost:4566')
    assert.throws(() => ec2Endpoint({ Endpoint: 'http://localhost:4566', UseFIPS: true }), RangeError)
  })
})

function hostOrRefusal(endpoint: () => string): string {
  try {
    return new URL(endpoint()).host
  } catch {
    return 'refused'
  }
}

async function theirHost({
  Region,
  UseFIPS,
  UseDualStack,
}: {
  Region: string
  UseFIPS: boolean
  UseDualStack: boolean
}) {
  let host = 'refused'
  const client = new EC2Client({
    region: Region,
    useFipsEndpoint: UseFIPS,
    useDualstackEndpoint: UseDualStack,
    credentials,
    requestHandler: {
      handle: (request: HttpRequest) => {
        host = request.hostname
        return Promise.resolve({ response: new HttpResponse({ statusCode: 200, body: Readable.from([]) }) })
      },
    },
  })
  await client.send(new theirs.DescribeSubnetsCommand({})).catch(() => undefined)
  return host
}
