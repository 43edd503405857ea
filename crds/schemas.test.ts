import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { loadBalancerClasses, parseLoadBalancerClass } from './load-balancer-class.ts'
import { loadBalancers, parseLoadBalancer } from './load-balancer.ts'
import { nodePortPools, parseNodePortPool } from './node-port-pool.ts'
import { crdTexts } from './texts.ts'

interface Definition {
  metadata: { name: string }
  spec: {
    group: string
    scope: string
    names: { kind: string; plural: string }
    versions: { name: string; schema: { openAPIV3Schema: Schema } }[]
  }
}
interface Schema {
  type?: string
  properties?: Record<string, Schema>
  items?: Schema
  additionalProperties?: Schema
}

const definitions = (await crdTexts()).map((text) => parse(text) as Definition)

describe('the CustomResourceDefinitions', () => {
  test('name the kinds as the TypeScript side does', () => {
    for (const kind of [loadBalancerClasses, loadBalancers, nodePortPools]) {
      const definition = definitions.find((one) => one.spec.names.kind === kind.kind)
      assert.ok(definition, kind.kind)
      assert.equal(definition.metadata.name, `${kind.plural}.${kind.group}`)
      assert.equal(definition.spec.names.plural, kind.plural)
      assert.equal(definition.spec.scope, kind.namespaced ? 'Namespaced' : 'Cluster')
      assert.equal(definition.spec.versions[0]?.name, kind.version)
    }
  })

  test('are structural: every node has a type', () => {
    const walk = (schema: Schema, path: string): void => {
      assert.ok(schema.type, `${path} has no type`)
      for (const [key, child] of Object.entries(schema.properties ?? {})) walk(child, `${path}.${key}`)
      if (schema.items) walk(schema.items, `${path}[]`)
      if (schema.additionalProperties) walk(schema.additionalProperties, `${path}{}`)
    }
    for (const { metadata, spec } of definitions) {
      walk(spec.versions[0]?.schema.openAPIV3Schema ?? {}, metadata.name)
    }
  })
})

describe('LoadBalancerClass', () => {
  test('fills every default', () => {
    const parsed = parseLoadBalancerClass({ spec: { clouds: [{ name: 'local' }] } })
    assert.ok(parsed.ok)
    assert.deepEqual(parsed.value, {
      clouds: [{ name: 'local', parameters: {} }],
      scheme: 'internal',
      default: false,
      readiness: 'any',
      allowRequestedAddresses: true,
      limits: {},
      defaults: {
        healthCheck: {
          protocol: 'HTTP',
          port: 10256,
          path: '/healthz',
          intervalSeconds: 5,
          timeoutSeconds: 3,
          healthyThreshold: 2,
          unhealthyThreshold: 2,
        },
        sourceRanges: [],
      },
    })
  })

  const refused: [string, unknown, RegExp][] = [
    ['no clouds', { clouds: [] }, /^spec\.clouds: must name at least one cloud$/],
    ['a cloud twice', { clouds: [{ name: 'a' }, { name: 'a' }] }, /^spec\.clouds\[1\]\.name: cloud a is named twice$/],
    ['an unknown field', { clouds: [{ name: 'a' }], colour: 'red' }, /^spec: .*colour/],
    ['an unknown scheme', { clouds: [{ name: 'a' }], scheme: 'open' }, /^spec\.scheme: /],
    [
      'a bad CIDR',
      { clouds: [{ name: 'a' }], defaults: { sourceRanges: ['10.0.0.0/99'] } },
      /sourceRanges\[0\]: must be a CIDR/,
    ],
    [
      'a timeout above the interval',
      { clouds: [{ name: 'a' }], defaults: { healthCheck: { intervalSeconds: 2, timeoutSeconds: 9 } } },
      /timeoutSeconds: must not exceed intervalSeconds \(2\)/,
    ],
  ]
  for (const [what, spec, message] of refused) {
    test(`refuses ${what} and says where`, () => {
      const parsed = parseLoadBalancerClass({ spec })
      assert.ok(!parsed.ok)
      assert.match(parsed.mistakes.join('\n'), message)
    })
  }
})

describe('NodePortPool', () => {
  test('refuses a range that runs backwards', () => {
    const parsed = parseNodePortPool({ spec: { ranges: [{ from: 30010, to: 30000 }] } })
    assert.deepEqual(parsed, { ok: false, mistakes: ['spec.ranges[0].to: must not be smaller than from'] })
  })
})

describe('LoadBalancer', () => {
  test('a hand-made object without status is not taken for ours', () => {
    assert.equal(parseLoadBalancer({}).ok, false)
  })
})
