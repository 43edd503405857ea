import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assert as holds, integer, property, uniqueArray } from 'fast-check'
import {
  bridgeAddress,
  families,
  type Family,
  maxNodes,
  type NetworkChange,
  nodeChange,
  nodePlace,
  nodeRemoval,
  outsideAddress,
  podChange,
  podPlace,
  podRemoval,
  worldChange,
} from './topology.ts'

const dual = { instance: 'it', families: ['IPv4', 'IPv6'] as Family[] }
const single = { instance: 'it', families: ['IPv4'] as Family[] }

describe('places', () => {
  test('node 1 has the addresses that the documentation promises', () => {
    const node = nodePlace(dual, 1)
    assert.equal(node.namespace, 'rs-it-node-1')
    assert.deepEqual(node.addresses, { IPv4: '172.18.0.11', IPv6: 'fd00:18::11' })
    assert.deepEqual(node.podCidrs, ['10.244.1.0/24', 'fd00:244:0:1::/64'])
  })

  test("a Pod has an address of each family inside its node's range", () => {
    const pod = podPlace(dual, nodePlace(dual, 3), '00000000ab', 7)
    assert.equal(pod.namespace, 'rs-it-pod-00000000ab')
    assert.deepEqual(pod.addresses, { IPv4: '10.244.3.7', IPv6: 'fd00:244:0:3::7' })
  })

  test('the primary family comes first', () => {
    const node = nodePlace({ instance: 'it', families: ['IPv6', 'IPv4'] }, 1)
    assert.deepEqual(
      families(node.addresses).map(([family]) => family),
      ['IPv6', 'IPv4'],
    )
  })

  test('zones go round robin', () =>
    assert.deepEqual(
      [1, 2, 3, 4].map((index) => nodePlace(dual, index).zone),
      ['sandbox-a', 'sandbox-b', 'sandbox-c', 'sandbox-a'],
    ))

  for (const index of [0, 1.5, maxNodes + 1])
    test(`there is no node ${index}`, () => assert.throws(() => nodePlace(dual, index), RangeError))

  test('no two places share an address, and interface names fit the kernel', () =>
    holds(
      property(uniqueArray(integer({ min: 1, max: maxNodes }), { maxLength: 20 }), (indexes) => {
        const fixed = (['router', 'lb', 'cp'] as const).flatMap((role) =>
          dual.families.map((f) => bridgeAddress(role, f)),
        )
        const nodes = indexes.map((index) => nodePlace(dual, index))
        const pods = nodes.flatMap((node) => [2, 254].map((host) => podPlace(dual, node, '0123456789', host)))
        const all = [
          ...fixed,
          ...nodes.flatMap((node) => [...families(node.addresses), ...families(node.gateways)].map(([, own]) => own)),
          ...pods.flatMap((pod) => families(pod.addresses).map(([, own]) => own)),
        ]
        assert.equal(new Set(all).size, all.length)
        for (const pod of pods) assert.ok(pod.link.length <= 15)
      }),
    ))
})

describe('changes', () => {
  test('the client has a way to the balancer and to nobody else', () => {
    const client = stepsOf(worldChange(dual), 'rs-it-client')
    assert.deepEqual(
      client.filter((line) => line.startsWith('route')),
      [
        `route add default via ${outsideAddress('lb', 'IPv4')}`,
        `route add default via ${outsideAddress('lb', 'IPv6')}`,
      ],
    )
    const links = worldChange(dual).links.flatMap(({ namespace, lines }) =>
      lines.map((line) => `${namespace}: ${line}`),
    )
    assert.deepEqual(
      links.filter((line) => line.includes('rs-it-client')),
      ['rs-it-lb: link add client type veth peer name eth0 netns rs-it-client'],
    )
  })

  test('replies to the client go from the router through the balancer', () =>
    assert.ok(stepsOf(worldChange(dual), 'rs-it-router').includes('route add 198.51.100.0/24 via 172.18.0.250')))

  test('hardware addresses on the bridge never change with who joins', () => {
    const links = [worldChange(dual), nodeChange(dual, nodePlace(dual, 1))].flatMap(({ links }) => links)
    const made = links.flatMap(({ lines }) => lines).filter((line) => /^link add (br0|lb|cp|node-1) /.test(line))
    const addresses = made.flatMap((line) => / address (02:\S+) /.exec(line)?.[1] ?? [])
    assert.equal(new Set(addresses).size, 4)
  })

  test('only routers forward', () => {
    const forwards = Object.entries(worldChange(dual).sysctls).filter(([, values]) => 'net/ipv4/ip_forward' in values)
    assert.deepEqual(forwards.map(([name]) => name).sort(), ['rs-it-lb', 'rs-it-router'])
  })

  test('IPv6 addresses skip duplicate address detection', () => {
    const node = nodePlace(dual, 1)
    const pod = podPlace(dual, node, '0123456789', 2)
    const lines = [worldChange(dual), nodeChange(dual, node), podChange(node, pod)].flatMap(allLines)
    for (const line of lines.filter((text) => /^addr add .*:/.test(text))) assert.match(line, / nodad$/)
  })

  test('a single-stack world has no IPv6 in it', () => {
    const node = nodePlace(single, 2)
    const pod = podPlace(single, node, '0123456789', 2)
    const lines = [worldChange(single), nodeChange(single, node), podChange(node, pod)].flatMap(allLines)
    assert.deepEqual(
      lines.filter((line) => /[0-9a-f]:[0-9a-f:]/.test(line.replace(/ address \S+/, ''))),
      [],
    )
  })

  test('a node that leaves takes back each route and link it brought to the router', () => {
    const node = nodePlace(dual, 4)
    const brought = stepsOf(nodeChange(dual, node), 'rs-it-router').filter((line) => /^route|^link add/.test(line))
    const subjects = (lines: readonly string[]) => new Set(lines.map((line) => line.split(' ')[2]))
    assert.deepEqual(subjects(nodeRemoval(dual, node).lines), subjects(brought))
  })

  test('a Pod that leaves takes its link from the node', () => {
    const node = nodePlace(dual, 1)
    const pod = podPlace(dual, node, 'abcdef0123', 2)
    assert.deepEqual(podRemoval(node, pod), { namespace: 'rs-it-node-1', lines: ['link del pabcdef0123'] })
  })

  test('nothing is ever run outside the instance', () => {
    const node = nodePlace(dual, 1)
    const changes = [worldChange(dual), nodeChange(dual, node), podChange(node, podPlace(dual, node, '0123456789', 2))]
    for (const change of changes) {
      const places = [...change.namespaces, ...change.links, ...change.settings].map((step) =>
        typeof step === 'string' ? step : step.namespace,
      )
      for (const place of places) assert.match(place, /^rs-it-/)
    }
  })
})

function stepsOf(change: NetworkChange, namespace: string): string[] {
  return [...change.links, ...change.settings]
    .filter((step) => step.namespace === namespace)
    .flatMap((step) => [...step.lines])
}

function allLines(change: NetworkChange): string[] {
  return [...change.links, ...change.settings].flatMap((step) => [...step.lines])
}
