/** The chart through the real helm: what it renders, and what it refuses. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { crdTexts } from '../../crds/texts.ts'
import type { KubeObject } from '../../kube/objects.ts'
import { operatorFlags, usage } from '../../operator/flags.ts'
import { cloudNames } from '../../providers/registry.ts'
import { requires } from '../../scripts/requires.ts'
import { projectRoot } from '../../scripts/source-files.ts'
import { chart, helm, leastValues, ofKind, render, template } from './helm.ts'
import type { Rendered } from './helm.ts'
import { everyValue } from './every-value.ts'
import { restricted } from './pod-security.ts'
import type { PodTemplate } from './pod-security.ts'

const manifest = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: string }

function podOf(objects: readonly Rendered[]): PodTemplate {
  return (ofKind(objects, 'Deployment').spec as { template: PodTemplate }).template
}

function argsOf(objects: readonly Rendered[]): string[] {
  return podOf(objects).spec.containers[0]?.args ?? []
}

describe('the chart', { skip: requires('helm') }, () => {
  test('passes helm lint --strict', async () => {
    for (const values of [leastValues, everyValue]) {
      const ran = await helm(['lint', '--strict', chart], values)
      assert.equal(ran.code, 0, ran.out + ran.err)
    }
  })

  test('renders the same twice, byte for byte', async () => {
    for (const values of [leastValues, everyValue]) assert.equal(await template(values), await template(values))
  })

  test('carries the version of the package in chart, image and labels', async () => {
    const about = parse(readFileSync(join(chart, 'Chart.yaml'), 'utf8')) as { version: string; appVersion: string }
    assert.deepEqual([about.version, about.appVersion], [manifest.version, manifest.version])
    assert.equal(podOf(await render()).spec.containers[0]?.image, `roadstead:${manifest.version}`)
  })

  test('installs exactly the CustomResourceDefinitions of crds/, kept at the end', async () => {
    const rendered = (await render()).filter(({ kind }) => kind === 'CustomResourceDefinition')
    const wanted = (await crdTexts()).map((text) => parse(text) as KubeObject)
    const byName = (a: KubeObject, b: KubeObject) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1)
    assert.deepEqual(
      rendered
        .map(({ metadata: { name }, ...rest }): KubeObject => ({ ...rest, metadata: { name: name ?? '' } }))
        .sort(byName),
      wanted.sort(byName),
    )
    for (const { metadata } of rendered) assert.equal(metadata.annotations?.['helm.sh/resource-policy'], 'keep')
  })

  test('leaves them out, or lets Helm remove them, on request', async () => {
    const kinds = (await render({ ...leastValues, crds: { enabled: false } })).map(({ kind }) => kind)
    assert.ok(!kinds.includes('CustomResourceDefinition'))
    const crds = (await render({ ...leastValues, crds: { keep: false } })).filter(({ kind }) =>
      kind?.startsWith('Custom'),
    )
    assert.ok(crds.length > 0 && crds.every(({ metadata }) => metadata.annotations === undefined))
  })

  test('knows the clouds of the registry', () => {
    const values = parse(readFileSync(join(chart, 'values.yaml'), 'utf8')) as { providers: Record<string, unknown> }
    for (const cloud of cloudNames) assert.ok(cloud in values.providers, cloud)
  })

  test('puts annotations for IAM roles on the ServiceAccount the Pods use', async () => {
    const annotations = { 'eks.amazonaws.com/role-arn': 'arn:aws:iam::123456789012:role/roadstead' }
    const objects = await render({ ...leastValues, serviceAccount: { annotations } })
    const account = ofKind(objects, 'ServiceAccount')
    assert.deepEqual(account.metadata.annotations, annotations)
    assert.equal(podOf(objects).spec.serviceAccountName, account.metadata.name)
  })

  test('hands clouds and their settings to the operator', async () => {
    const providers = { local: { enabled: true, settings: { endpoint: 'http://10.0.0.1:80' } } }
    const args = argsOf(await render({ clusterId: 'prod', providers }))
    assert.equal(args[0], 'operator')
    assert.ok(args.includes('--cluster-id=prod'))
    assert.ok(args.includes('--provider=local=endpoint=http://10.0.0.1:80'))
    assert.ok(!args.some((arg) => arg.startsWith('--provider=aws')))
  })

  test('sets every flag of the operator that is not about where it runs, and to the same defaults', async () => {
    const args = argsOf(await render()).slice(1)
    const set = new Set(args.map((arg) => arg.split('=')[0]))
    const elsewhere = ['--kubeconfig', '--context', '--local-endpoint', '--leader-elect', '--delete-orphans']
    const flags = [...usage.matchAll(/^ {2}(--.*?) {2}|, (--[a-z-]+)/gm)].flatMap(
      ([text]) => text.match(/--[a-z-]+/g) ?? [],
    )
    assert.deepEqual(
      [...new Set(flags)].filter((flag) => !set.has(flag) && !elsewhere.includes(flag)),
      [],
    )
    const { config, election, cloudRate, logLevel, leaderElect } = operatorFlags(args)
    const plain = operatorFlags(['--provider=aws'])
    assert.deepEqual(
      { config, election, cloudRate, logLevel, leaderElect },
      {
        config: plain.config,
        election: plain.election,
        cloudRate: plain.cloudRate,
        logLevel: plain.logLevel,
        leaderElect: true,
      },
    )
  })

  test('gives the classes public and internal all enabled clouds', async () => {
    const providers = { aws: { enabled: true }, local: { enabled: true } }
    const text = ofKind(await render({ clusterId: 'prod', providers }), 'ConfigMap').data?.['classes.yaml'] ?? ''
    const classes = text
      .split('---\n')
      .slice(1)
      .map((one) => parse(one) as Rendered)
    assert.deepEqual(
      classes.map(({ metadata, spec }) => [metadata.name, spec]),
      ['internal', 'public'].map((name) => [name, { scheme: name, clouds: [{ name: 'aws' }, { name: 'local' }] }]),
    )
  })

  test('runs one replica without a PodDisruptionBudget, two with one that never blocks broken Pods', async () => {
    const alone = await render({ ...leastValues, replicaCount: 1 })
    assert.ok(!alone.some(({ kind }) => kind === 'PodDisruptionBudget'))
    const budget = ofKind(await render(), 'PodDisruptionBudget')
    const { maxUnavailable, unhealthyPodEvictionPolicy } = budget.spec as Record<string, unknown>
    assert.deepEqual([maxUnavailable, unhealthyPodEvictionPolicy], [1, 'AlwaysAllow'])
  })

  test('passes Pod Security restricted', async () => {
    assert.deepEqual(restricted(podOf(await render()).spec), [])
    const loose = podOf(await render({ ...leastValues, securityContext: { allowPrivilegeEscalation: true } }))
    assert.deepEqual(restricted(loose.spec), ['operator: allowPrivilegeEscalation must be false'])
  })

  test('selects its Pods by labels that no value can bend', async () => {
    const bent = { 'app.kubernetes.io/name': 'other', 'app.kubernetes.io/component': 'x', team: 'edge' }
    const objects = await render({ ...everyValue, commonLabels: bent, podLabels: bent })
    const pod = podOf(objects)
    const selectors = ['Deployment', 'PodDisruptionBudget'].map(
      (kind) => (ofKind(objects, kind).spec as { selector: { matchLabels: object } }).selector.matchLabels,
    )
    const service = (ofKind(objects, 'Service').spec as { selector: object }).selector
    for (const selector of [...selectors, service]) {
      for (const [key, value] of Object.entries(selector)) assert.equal(pod.metadata.labels?.[key], value)
    }
    assert.equal(pod.metadata.labels?.['team'], 'edge')
  })

  test('says in its notes how to get a load balancer', async () => {
    const { out } = await helm(['install', 'rs', chart, '--dry-run=client', '--namespace', 'x'], leastValues)
    const notes = out.slice(out.indexOf('NOTES:'))
    assert.match(notes, /loadBalancerClass: roadstead\.dev\/public/)
    assert.match(notes, /no annotation eks\.amazonaws\.com\/role-arn/)
  })
})

describe('values that cannot be meant', { skip: requires('helm') }, () => {
  const wrong: [string, object, RegExp][] = [
    ['no cluster id', { providers: leastValues.providers }, /clusterId/],
    ['a cluster id that is no label', { ...leastValues, clusterId: 'My_Cluster' }, /clusterId/],
    ['no cloud', { clusterId: 'x' }, /enable at least one of the providers/],
    ['an unknown key', { ...leastValues, replicas: 3 }, /additional properties 'replicas' not allowed/],
    ['a misspelt key inside', { ...leastValues, image: { repositry: 'x' } }, /additional properties 'repositry'/],
    ['an unknown cloud', { clusterId: 'x', providers: { asw: { enabled: true } } }, /additional properties 'asw'/],
    [
      'an unknown setting of a cloud',
      { clusterId: 'x', providers: { local: { enabled: true, settings: { endpont: 'x' } } } },
      /additional properties 'endpont'/,
    ],
    ['a duration without unit', { ...leastValues, operator: { driftInterval: '5' } }, /driftInterval/],
    ['a level there is not', { ...leastValues, operator: { logLevel: 'loud' } }, /logLevel/],
    [
      'a class with an unknown field',
      { ...leastValues, classes: { public: { spec: { shceme: 'public' } } } },
      /shceme/,
    ],
    ['a class with a bad name', { ...leastValues, classes: { 'Pub lic': {} } }, /Pub lic/],
    ['a tag where a digest belongs', { ...leastValues, image: { digest: 'latest' } }, /digest/],
  ]
  for (const [what, values, message] of wrong) {
    test(`${what}: refused`, async () => {
      const ran = await helm(['template', 'rs', chart], values)
      assert.notEqual(ran.code, 0)
      assert.match(ran.err, message)
    })
  }
})
