/**
 * Random series of writes to a few Services, the same for the same seed: most of them valid, fighting for the same few addresses and
 * ports, changing types and families. Two servers that answer them alike agree on far more than a corpus written by hand says.
 */
import type { Scenario } from './replay.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type Fields = { [key: string]: Json }
type Step = Scenario['steps'][number]

const stepsEach = 14
const names = ['a', 'b', 'c']
const clearable = [
  'type',
  'ports',
  'clusterIP',
  'clusterIPs',
  'ipFamilies',
  'ipFamilyPolicy',
  'healthCheckNodePort',
  'externalTrafficPolicy',
  'allocateLoadBalancerNodePorts',
  'loadBalancerClass',
  'externalIPs',
  'selector',
]

export function randomScenario(seed: number): Scenario {
  const chance = mulberry32(seed)
  return { name: `random ${seed}`, steps: Array.from({ length: stepsEach }, () => randomStep(chance)) }
}

interface Chance {
  /** True with this probability. */
  maybe: (probability: number) => boolean
  pick: <T>(values: readonly T[]) => T
}

/** A small generator that is good enough for test data and gives the same series everywhere. */
function mulberry32(seed: number): Chance {
  let state = seed | 0
  const next = () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
  return {
    maybe: (probability) => next() < probability,
    pick: (values) => {
      const value = values[Math.floor(next() * values.length)]
      if (value === undefined) throw new Error('nothing to pick from')
      return value
    },
  }
}

function randomStep(chance: Chance): Step {
  const { maybe, pick } = chance
  const name = pick(names)
  const kind = pick([
    'post',
    'post',
    'post',
    'edit',
    'edit',
    'edit',
    'put',
    'patch',
    'status',
    'free',
    'delete',
  ] as const)
  const at = `services/${name}`
  if (kind === 'post') {
    const finalizers = maybe(0.2) ? { finalizers: ['example.com/x'] } : {}
    return { post: 'services', body: { metadata: { name, ...finalizers }, spec: randomSpec(chance) } }
  }
  if (kind === 'edit') return { edit: at, with: { spec: randomEdit(chance) } }
  if (kind === 'put') return { put: at, body: { metadata: { name }, spec: randomSpec(chance) } }
  if (kind === 'patch') {
    return { patch: at, type: pick(['merge', 'strategic']), body: { spec: randomEdit(chance) } }
  }
  if (kind === 'status') {
    const ingress = pick([[{ ip: '1.2.3.4' }], [{ hostname: 'a.example', ipMode: 'VIP' }], []])
    return { patch: `${at}/status`, body: { status: { loadBalancer: { ingress } } } }
  }
  return kind === 'free' ? { patch: at, body: { metadata: { finalizers: null } } } : { delete: at }
}

function randomEdit(chance: Chance): Fields {
  const kept = Object.entries(randomSpec(chance)).filter(() => chance.maybe(0.5))
  const cleared = clearable.filter(() => chance.maybe(0.06)).map((field): [string, Json] => [field, null])
  return Object.fromEntries([...kept, ...cleared])
}

function randomSpec(chance: Chance): Fields {
  const { maybe, pick } = chance
  const spec: Fields = {}
  const type = pick(['', 'ClusterIP', 'NodePort', 'LoadBalancer', 'LoadBalancer', 'ExternalName'])
  if (type !== '') spec['type'] = type
  const balanced = type === 'LoadBalancer'
  const set = (field: string, probability: number, ...values: readonly Json[]) => {
    if (maybe(probability)) spec[field] = pick(values)
  }
  set('externalName', type === 'ExternalName' ? 0.95 : 0.05, 'a.example', 'b.example.')
  if (maybe(0.95)) spec['ports'] = randomPorts(chance)
  set('externalTrafficPolicy', balanced || type === 'NodePort' ? 0.4 : 0.05, 'Local', 'Cluster')
  if (type !== 'ExternalName') set('internalTrafficPolicy', 0.15, 'Local', 'Cluster')
  set('healthCheckNodePort', balanced ? 0.25 : 0, 30005, 30006, 30001, 0)
  set('ipFamilyPolicy', 0.25, 'SingleStack', 'PreferDualStack', 'RequireDualStack')
  set('ipFamilies', 0.2, ['IPv4'], ['IPv6'], ['IPv4', 'IPv6'], ['IPv6', 'IPv4'], [])
  set('clusterIP', 0.15, 'None', 'None', '10.96.0.50', '10.96.0.51', 'fd00:96::50', '')
  const { clusterIP } = spec
  if (clusterIP !== undefined) {
    set('clusterIPs', 0.5, [clusterIP], [clusterIP, 'fd00:96::51'], [clusterIP, '10.96.0.52'], ['10.96.0.53'])
  }
  set('sessionAffinity', 0.15, 'ClientIP', 'None')
  set('allocateLoadBalancerNodePorts', balanced ? 0.4 : 0.04, true, false, false)
  set('loadBalancerClass', balanced ? 0.3 : 0.03, 'a.example/x', 'y')
  set('externalIPs', 0.1, ['9.9.9.9'], ['2001:db8::1', '8.8.8.8'])
  set('selector', 0.3, { a: 'b' }, {})
  return spec
}

function randomPorts({ maybe, pick }: Chance): Json {
  const count = pick([1, 1, 2, 2, 3])
  return Array.from({ length: count }, (_, i) => {
    const port: Fields = { port: pick([53, 80, 443]) }
    if (count > 1 || maybe(0.5)) port['name'] = `p${i}`
    if (maybe(0.4)) port['protocol'] = pick(['TCP', 'UDP', 'SCTP'])
    if (maybe(0.35)) port['nodePort'] = pick([30001, 30002, 30003, 30004, 30007, 0])
    if (maybe(0.2)) port['targetPort'] = pick<Json>([8080, 'http', 0])
    return port
  })
}
