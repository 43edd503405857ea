/**
 * The IAM policies of the chart against the requests the operator really sends: every one is allowed on every object it touches, and
 * none would be on the objects of another cluster.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, test } from 'node:test'
import { loadBalancerClasses } from '../../crds/load-balancer-class.ts'
import type { CallRecord } from '../../localstack/journal.ts'
import { accessOf } from './access.ts'
import type { Account } from './account.ts'
import { needsEmulator } from './account.ts'
import { hostnameOf } from './cluster.ts'
import { allows } from './iam.ts'
import type { PolicyDocument } from './iam.ts'
import { allLoadBalancers, allSecurityGroups, allTargetGroups } from './inventory.ts'
import type { Scene } from './scene.ts'
import { scenes } from './scene.ts'
import { until } from './waiting.ts'

const sceneOf = scenes()
const signal = new AbortController().signal

describe('IAM policies and recorded calls', { skip: needsEmulator() }, () => {
  test('create, edits, replacement, restart and delete are allowed, and only for this cluster', async (context) => {
    const scene = await sceneOf(context, { machines: 4, nodes: 3 })
    const tags = collectTags(scene.account)
    const calls = await life(scene)
    const requests = calls.flatMap((call) => accessOf(call, (id) => tags.get(id) ?? {}))
    const mine = await policy('policy.json', 'test')
    const denied = requests.filter((request) => !allows(mine, request))
    assert.deepEqual(denied, [])

    const readOnly = await policy('policy-read-only.json', 'test')
    for (const call of calls) {
      const allowed = accessOf(call, (id) => tags.get(id) ?? {}).every((request) => allows(readOnly, request))
      assert.equal(allowed, !call.mutating, call.action)
    }

    const other = await policy('policy.json', 'another')
    const writes = calls.filter(({ mutating }) => mutating)
    const loose = writes.filter((call) =>
      accessOf(call, (id) => tags.get(id) ?? {}).every((request) => allows(other, request)),
    )
    assert.deepEqual(
      loose.map(({ action }) => action),
      [],
    )
    const made = new Set(writes.map(({ action }) => action))
    assert.ok(made.size >= 12, [...made].join())
  })
})

/** The tags of everything, collected while it stands. */
function collectTags({ proxy, cloud, vpcId }: Account): Map<string, Record<string, string>> {
  const tags = new Map<string, Record<string, string>>()
  const put = (id: string, list: readonly { key: string; value: string }[]) =>
    tags.set(id, Object.fromEntries(list.map(({ key, value }) => [key, value])))
  proxy.onCarriedOut(async ({ action }) => {
    if (!/^(Create|AddTags|RemoveTags)/.test(action)) return
    for (const { groupId, tags: list } of await allSecurityGroups(cloud, vpcId)) put(groupId, list)
    const arns = (await allTargetGroups(cloud)).map(({ targetGroupArn }) => targetGroupArn)
    for (const { loadBalancerArn } of await allLoadBalancers(cloud)) {
      const { listeners } = await cloud.describeListeners({ loadBalancerArn }, signal)
      arns.push(loadBalancerArn, ...listeners.map(({ listenerArn }) => listenerArn))
    }
    for (let from = 0; from < arns.length; from += 20) {
      const { tagDescriptions } = await cloud.describeTags({ resourceArns: arns.slice(from, from + 20) }, signal)
      for (const { resourceArn, tags: list } of tagDescriptions) put(resourceArn, list)
    }
  })
  return tags
}

/** As much of the vocabulary of calls as one Service brings about. */
async function life({ account, cluster, operator, quiet }: Scene): Promise<readonly CallRecord[]> {
  const first = operator()
  await cluster.create('web')
  await cluster.served('web')
  await cluster.patch('web', {
    metadata: {
      annotations: {
        'roadstead.dev/drain-seconds': '5',
        'roadstead.dev/cross-zone': 'true',
        'roadstead.dev/idle-timeout-seconds': '60',
        'roadstead.dev/tags': 'team=shop',
        'roadstead.dev/health-check-interval-seconds': '7',
      },
    },
    spec: { loadBalancerSourceRanges: ['198.51.100.0/24'] },
  })
  await until('the wishes', async () => {
    const { lines } = await account.inventory()
    return (
      lines.some((line) => line.includes('cross_zone.enabled=true')) && lines.some((line) => line.includes('team=shop'))
    )
  })
  await cluster.patch('web', {
    metadata: { annotations: { 'roadstead.dev/tags': null } },
    spec: { ports: [{ name: 'https', port: 8443 }] },
  })
  const machine = account.machines.at(-1)
  if (machine) await cluster.addNode('late', machine)
  await until('the port', async () => (await account.inventory()).lines.some((line) => / TCP 8443 /.test(line)))
  await quiet()
  const hostname = await cluster.served('web')
  const body = { spec: { scheme: 'internal' } }
  await cluster.client.patch(loadBalancerClasses, { name: 'public' }, { type: 'merge', body })
  await until('another hostname', async () => hostnameOf(await cluster.service('web')) !== hostname)
  await until('one load balancer', async () => (await account.inventory()).loadBalancers.length === 1)
  await first.stop()
  operator()
  await quiet(1500)
  await cluster.remove('web')
  await cluster.gone('web')
  return account.record()
}

async function policy(file: string, cluster: string): Promise<PolicyDocument> {
  const path = new URL(`../../charts/roadstead/files/iam/${file}`, import.meta.url)
  const text = (await readFile(path, 'utf8')).replaceAll('CLUSTER_ID', cluster).replaceAll('CLUSTER_NAME', cluster)
  return JSON.parse(text) as PolicyDocument
}
