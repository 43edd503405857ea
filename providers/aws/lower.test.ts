import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { converge, healthCheck, specOf } from '../conformance-world.ts'
import type { SpecChanges } from '../conformance-world.ts'
import type { LoadBalancerPort, LoadBalancerSpec, Step } from '../contract.ts'
import { progress } from '../plan.ts'
import { awsCore } from './core.ts'
import { aws } from './resources.ts'
import type { AwsResource } from './resources.ts'
import { fakeAwsWorld } from './world.ts'

const core = awsCore()
const providerId = (node: string) => `aws:///eu-west-1a/i-${node.replace('node-', '0')}`
const http: LoadBalancerPort = { name: 'http', protocol: 'TCP', port: 80, nodePort: 30080 }
const https: LoadBalancerPort = { name: 'https', protocol: 'TCP', port: 443, nodePort: 30443 }

/** Without a wish for draining, as a class has it by default. */
function spec(changes: SpecChanges): LoadBalancerSpec {
  const { drainSeconds: _, ...rest } = specOf({ providerId }, { ports: [http], ...changes })
  return changes.drainSeconds === undefined ? rest : { ...rest, drainSeconds: changes.drainSeconds }
}

function lowered(changes: SpecChanges = {}) {
  const result = core.lower(spec(changes))
  assert.ok(result.kind === 'lowered', JSON.stringify(result))
  return result
}

function reasons(changes: SpecChanges): string {
  const result = core.lower(spec(changes))
  assert.ok(result.kind === 'unsupported')
  return result.reasons.map(({ reason, message }) => `${reason}: ${message}`).join('\n')
}

function one<K extends AwsResource['kind']>(changes: SpecChanges, kind: K): Extract<AwsResource, { kind: K }> {
  const found = lowered(changes)
    .own.map(aws)
    .find((resource) => resource.kind === kind)
  assert.ok(found)
  return found as Extract<AwsResource, { kind: K }>
}

/** What stands after `changes`, as the inventory would show it. */
function standing(changes: SpecChanges): AwsResource[] {
  return lowered(changes).own.map((resource) => ({ ...aws(resource), id: resource.key }))
}

function stepsTo(changes: SpecChanges, seen: readonly AwsResource[]): Step[] {
  return progress(lowered(changes).own, seen, core.refine).steps
}

const named = (steps: readonly Step[]) => steps.map(({ verb, resource }) => `${verb} ${resource.key}`)

describe('one placement', () => {
  test('a Service with one port is made in six calls; the seventh is for the nodes', () => {
    assert.deepEqual(named(stepsTo({}, [])), [
      'create security-group',
      'update security-group',
      'create load-balancer',
      'create target-group/80',
      'update target-group/80',
      'create listener/80',
    ])
  })

  test('each further port costs three', () => {
    const ports = [http, https, { ...http, name: 'alt', port: 8080, nodePort: 30088 }]
    assert.equal(stepsTo({ ports }, []).length, 6 + 2 * 3)
  })

  test('a node more is one registration a target group, and nothing else', () => {
    const seen = standing({ ports: [http, https] })
    const nodes = ['node-1', 'node-2', 'node-3']
    assert.deepEqual(named(stepsTo({ ports: [http, https], nodes }, seen)), [
      'update target-group/443',
      'update target-group/80',
    ])
  })

  test('nothing differs, nothing is done', () => {
    const all: SpecChanges = {
      ports: [http, https],
      drainSeconds: 20,
      parameters: {
        tags: 'team=web',
        'cross-zone': 'true',
        'tls-certificates': 'arn:aws:acm:eu-west-1:1:certificate/a',
      },
    }
    assert.deepEqual(stepsTo(all, standing(all)), [])
  })

  test('new targets come before old ones go, 200 in a call', () => {
    const names = (from: number) => Array.from({ length: 250 }, (_, index) => `node-${from + index}`)
    const steps = stepsTo({ nodes: names(1000) }, standing({ nodes: names(1) }))
    const counts = steps.map(({ resource }) => (resource.mutable['targets'] as string[]).length)
    assert.deepEqual(counts, [450, 500, 300, 250])
  })

  test('new rules of its group come before old ones go', () => {
    const steps = stepsTo({ sourceRanges: ['10.0.0.0/8'] }, standing({}))
    assert.deepEqual(
      steps.map(({ resource }) => resource.mutable['rules']),
      [['tcp 80 0.0.0.0/0', 'tcp 80 10.0.0.0/8'], ['tcp 80 10.0.0.0/8']],
    )
  })

  test('another port number: the new listener with its targets stands before the old one goes', () => {
    assert.deepEqual(named(stepsTo({ ports: [{ ...http, port: 81 }] }, standing({}))), [
      'update security-group',
      'update security-group',
      'create target-group/81',
      'update target-group/81',
      'create listener/81',
      'delete listener/80',
      'delete target-group/80',
    ])
  })

  test('another node port: registered under the new port first, in the same target group', () => {
    const steps = stepsTo({ ports: [{ ...http, nodePort: 31080 }] }, standing({ nodes: ['node-1'] }))
    assert.deepEqual(steps.map(({ resource }) => resource.mutable['targets']).slice(-1), [['i-01:31080', 'i-02:31080']])
    assert.ok(steps.every(({ verb }) => verb === 'update'))
  })

  test('another policy changes the health check in place, one call', () => {
    const steps = stepsTo({ policy: 'Local', healthCheck: healthCheck(32100) }, standing({}))
    assert.deepEqual(named(steps), ['update target-group/80'])
  })

  test('another scheme is a second load balancer with a target group of its own, beside the first until it is active', () => {
    const old = standing({})
    const first = stepsTo({ scheme: 'internal' }, old)
    assert.deepEqual(
      named(first).filter((step) => !step.startsWith('update')),
      [
        'create load-balancer',
        'create target-group/80',
        'create listener/80',
        'delete load-balancer',
        'delete target-group/80',
      ],
    )
    const fresh = standing({ scheme: 'internal' }).filter(({ kind }) => kind !== 'security-group')
    const pending = fresh.map((resource) =>
      resource.kind === 'target-group' ? resource : { ...resource, state: 'pending' as const },
    )
    assert.deepEqual(stepsTo({ scheme: 'internal' }, [...old, ...pending]), [])
    assert.deepEqual(named(stepsTo({ scheme: 'internal' }, [...old, ...fresh])), [
      'delete load-balancer',
      'delete target-group/80',
    ])
  })

  test('its removal: the load balancer with its listeners, then what it used', () => {
    const seen = standing({ ports: [http, https] })
    const { steps } = progress([], seen, core.refine)
    assert.deepEqual(named(steps), [
      'delete load-balancer',
      'delete target-group/80',
      'delete target-group/443',
      'delete security-group',
    ])
  })

  test('names are at most 32 characters and the same for the same Service only', () => {
    const owner = { cluster: 'c1', namespace: 'a-very-long-namespace-name', name: 'x'.repeat(63), uid: 'u1' }
    const name = one({ owner }, 'load-balancer').immutable.name
    assert.match(name, /^rs-[a-zA-Z0-9-]{1,28}[a-zA-Z0-9]$/)
    assert.equal(one({ owner }, 'load-balancer').immutable.name, name)
    assert.notEqual(one({ owner: { ...owner, uid: 'u2' } }, 'load-balancer').immutable.name, name)
    assert.notEqual(one({ owner: { ...owner, cluster: 'c2' } }, 'load-balancer').immutable.name, name)
  })
})

describe('ports', () => {
  test('TCP and UDP on one number share a listener', () => {
    const dns = { name: 'dns', protocol: 'TCP', port: 53, nodePort: 30053 } as const
    const both = [dns, { ...dns, name: 'udp', protocol: 'UDP' as const }]
    assert.equal(one({ ports: both }, 'listener').mutable.protocol, 'TCP_UDP')
    assert.deepEqual(lowered({ ports: both }).fragments[0]?.content['ports'], ['tcp/10256', 'tcp/30053', 'udp/30053'])
    assert.match(
      reasons({ ports: [dns, { ...dns, protocol: 'UDP', nodePort: 30054 }] }),
      /NodePortsDiffer.*30053 and 30054.*"path":"\/spec\/ports\/1\/nodePort","value":30053/,
    )
  })

  test('TLS ends at the ports that are named, the further certificates are added', () => {
    const arn = (name: string) => `arn:aws:acm:eu-west-1:123456789012:certificate/${name}`
    const parameters = { 'tls-certificates': [arn('a'), arn('b')].join(','), 'tls-ports': 'https' }
    const steps = stepsTo({ ports: [http, https], parameters }, [])
    const listeners = steps.filter(({ resource }) => resource.kind === 'listener')
    assert.deepEqual(
      listeners.map(({ verb, resource }) => [
        verb,
        resource.key,
        resource.mutable['protocol'],
        resource.mutable['certificates'],
      ]),
      [
        ['create', 'listener/443', 'TLS', [arn('a')]],
        ['update', 'listener/443', 'TLS', [arn('a'), arn('b')]],
        ['create', 'listener/80', 'TCP', []],
      ],
    )
    assert.match(
      reasons({ parameters: { ...parameters, 'tls-ports': 'htps' } }),
      /tls-ports names htps, which is no port/,
    )
  })

  test('what cannot be is refused with the port and the way out', () => {
    assert.match(reasons({ ports: [{ ...http, protocol: 'SCTP' }] }), /UnsupportedProtocol/)
    assert.match(reasons({ ports: [{ ...http, nodePort: 0 }] }), /NodePortRequired.*allocateLoadBalancerNodePorts/)
    assert.match(reasons({ families: ['IPv6'] }), /UnsupportedIpFamily/)
    assert.match(reasons({ requestedAddresses: ['192.0.2.1'] }), /eip-allocations/)
    assert.match(
      reasons({ parameters: { 'eip-allocations': 'eipalloc-1' }, scheme: 'internal' }),
      /private-ipv4-addresses/,
    )
    assert.match(
      reasons({ ports: Array.from({ length: 51 }, (_, index) => ({ ...http, port: index + 1 })) }),
      /TooManyPorts/,
    )
  })
})

describe('attributes', () => {
  test('hold for all ports or, after its number or name, for one; the one goes before the others', async () => {
    const parameters = {
      'target-group-attributes':
        'stickiness.enabled=true,443:stickiness.enabled=false,http:proxy_protocol_v2.enabled=true',
      'listener-attributes': 'tcp.idle_timeout.seconds=60,443:tcp.idle_timeout.seconds=600',
    }
    const world = fakeAwsWorld()
    const of = () => {
      const { targetGroups, listeners } = world.aws.account
      return listeners
        .values()
        .toSorted((a, b) => a.port - b.port)
        .map(({ port, attributes, targetGroupArn }) => {
          const group = targetGroups.get(targetGroupArn)?.attributes ?? {}
          const words = ['stickiness.enabled', 'proxy_protocol_v2.enabled'].map((key) => group[key])
          return [port, attributes['tcp.idle_timeout.seconds'], ...words]
        })
    }
    await converge(world, specOf(world, { ports: [http, https], parameters }))
    assert.deepEqual(of(), [
      [80, '60', 'true', 'true'],
      [443, '600', 'false', 'false'],
    ])
    await converge(world, specOf(world, { ports: [http, https] }))
    assert.deepEqual(of(), [
      [80, '350', 'false', 'false'],
      [443, '350', 'false', 'false'],
    ])
  })

  test('of a port that the Service lacks are refused', () => {
    assert.match(
      reasons({ parameters: { 'listener-attributes': '8080:tcp.idle_timeout.seconds=60' } }),
      /listener-attributes names 8080, which is no port of the Service/,
    )
  })

  test('the traffic port is checked with TCP, or over HTTP with path and codes', () => {
    const check = (value: string) =>
      one({ parameters: { 'health-check-traffic-port': value, 'health-check-codes': '204' } }, 'target-group').mutable
        .healthCheck
    const { protocol, port, path, codes } = check('HTTP')
    assert.deepEqual([protocol, port, path, codes], ['HTTP', 'traffic-port', '/healthz', '204'])
    assert.deepEqual([check('true').protocol, check('TCP').codes, check('HTTPS').protocol], ['TCP', '', 'HTTPS'])
    assert.deepEqual([check('false').protocol, check('false').port], ['HTTP', '10256'])
  })

  test('what AWS has by itself needs no call; what is asked for one, and its end puts the default back', () => {
    const asked: SpecChanges = { parameters: { 'cross-zone': 'true' }, drainSeconds: 20 }
    const from = standing({})
    const to = stepsTo(asked, from)
    const attributes = to.filter(({ resource }) => resource.mutable['attributes'] !== undefined)
    assert.deepEqual(
      attributes
        .map(({ resource }) => resource.mutable['attributes'])
        .filter((one, index, all) => all.indexOf(one) === index),
      [{ 'load_balancing.cross_zone.enabled': 'true' }, { 'deregistration_delay.timeout_seconds': '20' }],
    )
    const back = stepsTo({}, standing(asked))
    assert.ok(
      back.some(
        ({ resource }) =>
          (resource.mutable['attributes'] as Record<string, string>)['load_balancing.cross_zone.enabled'] === 'false',
      ),
    )
    assert.ok(
      back.some(
        ({ resource }) =>
          (resource.mutable['attributes'] as Record<string, string>)['deregistration_delay.timeout_seconds'] === '300',
      ),
    )
  })

  test('deletion protection that we did not set stays, ours goes with the wish', () => {
    const protectedBy = (changes: SpecChanges) =>
      standing(changes).map((one) =>
        one.kind === 'load-balancer'
          ? {
              ...one,
              mutable: { ...one.mutable, attributes: { 'deletion_protection.enabled': 'true' } },
            }
          : one,
      )
    assert.deepEqual(stepsTo({}, protectedBy({})), [])
    const [step] = stepsTo({}, protectedBy({ parameters: { 'deletion-protection': 'true' } }))
    assert.deepEqual(step?.resource.mutable['attributes'], { 'deletion_protection.enabled': 'false' })
  })

  test('after a restart, attributes that were set are left alone until they were read', () => {
    const asked: SpecChanges = { parameters: { 'cross-zone': 'true' } }
    const unread = standing(asked).map((one) => {
      const { attributes: _, ...mutable } = one.mutable as { attributes?: unknown }
      return { ...one, mutable } as AwsResource
    })
    assert.deepEqual(stepsTo(asked, unread), [])
  })

  test('tags: what was asked for and is no longer goes, tags of others stay', () => {
    const seen = standing({ parameters: { tags: 'team=web,stage=prod' } }).map(
      (one) =>
        ({
          ...one,
          mutable: { ...one.mutable, tags: { ...(one.mutable as { tags: object }).tags, theirs: 'x' } },
        }) as AwsResource,
    )
    const steps = stepsTo({ parameters: { tags: 'team=api' } }, seen)
    const last = steps.filter(({ resource }) => resource.kind === 'load-balancer').at(-1)
    const tags = last?.resource.mutable['tags'] as Record<string, string>
    assert.deepEqual([tags['team'], tags['stage'], tags['theirs']], ['api', undefined, 'x'])
  })
})

describe('targets', () => {
  test('one bad node is named and stops nobody', () => {
    const good = spec({})
    const bad = { name: 'broken', providerId: '', addresses: ['192.0.2.9'] }
    const result = core.lower({ ...good, nodes: [...good.nodes, bad] })
    assert.ok(result.kind === 'lowered')
    const group = result.own.map(aws).find((resource) => resource.kind === 'target-group')
    assert.deepEqual(group?.mutable['targets'], ['i-01:30080', 'i-02:30080'])
    assert.match(result.notes?.[0]?.message ?? '', /broken/)
  })

  test('near a limit the choice is stable: a node more or less changes at most one target', () => {
    const chosen = (nodes: string[]) =>
      new Set(one({ nodes, parameters: { 'max-targets': '20' } }, 'target-group').mutable.targets)
    const names = Array.from({ length: 100 }, (_, index) => `node-${index + 10}`)
    const before = chosen(names)
    assert.equal(before.size, 20)
    for (const changed of [[...names, 'node-999'], names.slice(1), names.slice(0, -1)]) {
      const after = chosen(changed)
      assert.ok([...after].filter((target) => !before.has(target)).length <= 1)
    }
  })

  test('targets that AWS refused are not sent again, and read as unhealthy with its words', () => {
    const nodes = ['node-1', 'node-2', 'node-3']
    const seen = standing({}).map((one) =>
      one.kind === 'target-group'
        ? {
            ...one,
            observed: {
              vpcId: 'vpc-1',
              loadBalancers: [],
              refused: [{ target: 'i-03:30080', reason: 'unsupported instance type' }],
            },
          }
        : one,
    )
    assert.deepEqual(stepsTo({ nodes }, seen), [])
    const health = core.targets(seen, specOf({ providerId }, { nodes }).nodes)
    assert.deepEqual(
      health.find(({ node }) => node === 'node-3'),
      { node: 'node-3', healthy: false, reason: 'unsupported instance type' },
    )
  })
})
