/** Nodes: taints, Pod CIDRs and providerID that are set once. Source: pkg/apis/core/validation ValidateNode, ValidateNodeUpdate. */
import type { Node, Taint } from '../../../kube/objects.ts'
import type { FieldError, Strategy } from '../strategy.ts'
import { builtIn } from './built-in.ts'
import { duplicate, eachInvalid, forbidden, invalid, notSupported, required } from './field-error.ts'
import { blockErrors, parseBlock } from './ip.ts'
import { dns1123Subdomain, labelValue, qualifiedName } from './syntax.ts'

const effects = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

/** Fields of a node's status that only defaults look at. */
type Resources = { capacity?: Record<string, string>; allocatable?: Record<string, string> }

export function nodeStrategy(): Strategy<Node> {
  return builtIn<Node>({
    kind: 'Node',
    namespaced: false,
    name: dns1123Subdomain,
    statusSubresource: true,
    setDefaults: (node) => {
      const { spec } = node
      const status = node.status as Resources | undefined
      if (status?.capacity && !status.allocatable) status.allocatable = { ...status.capacity }
      // The singular wins over a plural that does not start with it; conversion.go of core/v1.
      if (spec?.podCIDR && spec.podCIDRs?.[0] !== spec.podCIDR) spec.podCIDRs = [spec.podCIDR]
      if (spec && !spec.podCIDR && spec.podCIDRs?.[0]) spec.podCIDR = spec.podCIDRs[0]
    },
    prepareForUpdate: (node, old, subresource) => {
      if (subresource === 'status') node.spec = structuredClone(old.spec ?? {})
      else node.status = structuredClone(old.status ?? {})
    },
    errors: (node, old) => [
      ...taintErrors(node.spec?.taints ?? []),
      ...(old === undefined ? podCidrErrors(node.spec?.podCIDRs ?? []) : addressErrors(node)),
    ],
    changeErrors: onceErrors,
    subresourceErrors: (node) => addressErrors(node),
  })
}

/** The real paths say `metadata.taints`. */
function taintErrors(taints: readonly Taint[]): FieldError[] {
  const seen = new Set<string>()
  return taints.flatMap((taint, i) => {
    const field = `metadata.taints[${i}]`
    const value = taint.value ?? ''
    const errors = eachInvalid(`${field}.key`, taint.key, qualifiedName(taint.key))
    const faults = labelValue(value)
    if (faults.length > 0) errors.push(invalid(`${field}.value`, value, faults.join(';')))
    if (!taint.effect) errors.push(required(`${field}.effect`))
    else if (!effects.includes(taint.effect)) errors.push(notSupported(`${field}.effect`, taint.effect, effects))
    const pair = `${taint.key} ${taint.effect}`
    if (seen.has(pair)) errors.push(repeated(field, taint))
    seen.add(pair)
    return errors
  })
}

/** The message shows the server's internal struct. */
function repeated(field: string, { key, value, effect, timeAdded }: Taint): FieldError {
  const shown = { Key: key, Value: value ?? '', Effect: effect, TimeAdded: timeAdded ?? null }
  return { ...duplicate(field, shown), detail: 'taints must be unique by key and effect pair' }
}

function podCidrErrors(blocks: readonly string[]): FieldError[] {
  const field = 'spec.podCIDRs'
  const errors = blocks.flatMap((block, i) => blockErrors(`${field}[${i}]`, block))
  const families = new Set(blocks.map((block) => parseBlock(block)?.address.family))
  if (blocks.length > 2 || (blocks.length === 2 && families.size < 2)) {
    errors.push(invalid(field, blocks, 'may specify no more than one CIDR for each IP family'))
  }
  return errors
}

function addressErrors(node: Node): FieldError[] {
  const seen = new Set<string>()
  return (node.status?.addresses ?? []).flatMap(({ type, address }, i) => {
    const pair = `${type} ${address}`
    const errors = seen.has(pair) ? [duplicate(`status.addresses[${i}]`, { Type: type, Address: address })] : []
    seen.add(pair)
    return errors
  })
}

function onceErrors(node: Node, old: Node): FieldError[] {
  const errors: FieldError[] = []
  const was = old.spec?.podCIDRs ?? []
  const now = node.spec?.podCIDRs ?? []
  const changed = was.length === now.length ? was.filter((block, i) => block !== now[i]) : was.slice(0, 1)
  for (const _ of changed) {
    errors.push(forbidden('spec.podCIDRs', 'node updates may not change podCIDR except from "" to valid'))
  }
  if (old.spec?.providerID && old.spec.providerID !== node.spec?.providerID) {
    errors.push(forbidden('spec.providerID', 'node updates may not change providerID except from "" to valid'))
  }
  return errors
}
