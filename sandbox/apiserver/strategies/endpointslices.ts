/** EndpointSlices of discovery.k8s.io/v1. Source: pkg/apis/discovery/validation and pkg/registry/discovery/endpointslice. */
import type { Endpoint, EndpointSlice } from '../../../kube/objects.ts'
import { equal } from '../json.ts'
import type { FieldError, Strategy } from '../strategy.ts'
import { builtIn } from './built-in.ts'
import { duplicate, eachInvalid, goQuote, invalid, notSupported, required, tooMany } from './field-error.ts'
import { addressErrors, addressWarnings, endpointAddressErrors, familyOf, formatAddress, parseAddress } from './ip.ts'
import { protocols } from './service/validation-ports.ts'
import { dns1123Label, dns1123Subdomain, labelValue, qualifiedName } from './syntax.ts'

const addressTypes = ['FQDN', 'IPv4', 'IPv6']
const most = { endpoints: 1000, addresses: 100, ports: 20000, hints: 8 }
type Hints = NonNullable<Endpoint['hints']>

export function endpointSliceStrategy(): Strategy<EndpointSlice> {
  return builtIn<EndpointSlice>({
    kind: 'EndpointSlice',
    namespaced: true,
    name: dns1123Subdomain,
    countsGeneration: true,
    metaOnUpdate: ['create'],
    setDefaults: ({ ports }) => {
      for (const port of ports ?? []) {
        port.name ??= ''
        port.protocol ??= 'TCP'
      }
    },
    prepareForCreate: (slice) => dropTopology(slice),
    prepareForUpdate: (slice, old) => {
      dropTopology(slice)
      // Labels count as well: they say which Service the slice belongs to.
      if (!equal(slice.metadata.labels ?? {}, old.metadata.labels ?? {})) {
        slice.metadata.generation = (old.metadata.generation ?? 0) + 1
      }
    },
    errors: (slice, old) => [
      ...addressTypeErrors(slice.addressType),
      ...portErrors(slice.ports ?? []),
      ...(old !== undefined && equal(slice.endpoints, old.endpoints) ? [] : endpointErrors(slice)),
    ],
    changeErrors: (slice, old) =>
      slice.addressType === old.addressType ? [] : [invalid('addressType', slice.addressType, 'field is immutable')],
    warnings: (slice, old) => [
      ...(old === undefined && slice.addressType === 'FQDN' ? ['spec.addressType: FQDN endpoints are deprecated'] : []),
      ...(slice.endpoints ?? []).flatMap(({ addresses }, i) =>
        slice.addressType === 'FQDN'
          ? []
          : addresses.flatMap((address, j) => addressWarnings(`endpoints[${i}].addresses[${j}]`, address)),
      ),
    ],
  })
}

/** A field of v1beta1 that v1 forgets. */
function dropTopology(slice: EndpointSlice): void {
  for (const endpoint of (slice.endpoints ?? []) as (Endpoint & { deprecatedTopology?: unknown })[]) {
    delete endpoint.deprecatedTopology
  }
}

function addressTypeErrors(type: string): FieldError[] {
  if (!type) return [required('addressType')]
  return addressTypes.includes(type) ? [] : [notSupported('addressType', type, addressTypes)]
}

/** Port numbers are not judged: 0 and 65536 pass in the real server too. */
function portErrors(ports: NonNullable<EndpointSlice['ports']>): FieldError[] {
  if (ports.length > most.ports) return [tooMany('ports', ports.length, most.ports)]
  const names = new Set<string>()
  return ports.flatMap(({ name = '', protocol, appProtocol }, i) => {
    const field = `ports[${i}]`
    const errors = name === '' ? [] : eachInvalid(`${field}.name`, name, dns1123Label(name))
    if (names.has(name)) errors.push(duplicate(`${field}.name`, name))
    names.add(name)
    if (protocol === undefined) errors.push(required(`${field}.protocol`))
    else if (!protocols.includes(protocol)) errors.push(notSupported(`${field}.protocol`, protocol, protocols))
    if (appProtocol !== undefined) {
      errors.push(...eachInvalid(`${field}.appProtocol`, appProtocol, qualifiedName(appProtocol)))
    }
    return errors
  })
}

function endpointErrors({ addressType, endpoints }: EndpointSlice): FieldError[] {
  const all = endpoints ?? []
  if (all.length > most.endpoints) return [tooMany('endpoints', all.length, most.endpoints)]
  return all.flatMap((endpoint, i) => {
    const field = `endpoints[${i}]`
    const { nodeName, hostname, hints } = endpoint
    return [
      ...addressesErrors(endpoint.addresses ?? [], addressType, `${field}.addresses`),
      ...(nodeName === undefined ? [] : eachInvalid(`${field}.nodeName`, nodeName, dns1123Subdomain(nodeName))),
      ...(hostname === undefined ? [] : eachInvalid(`${field}.hostname`, hostname, dns1123Label(hostname))),
      ...(hints === undefined ? [] : hintErrors(hints, `${field}.hints`)),
    ]
  })
}

function addressesErrors(addresses: readonly string[], type: string, field: string): FieldError[] {
  const errors: FieldError[] = []
  if (addresses.length === 0) errors.push(required(field, 'must contain at least 1 address'))
  if (addresses.length > most.addresses) errors.push(tooMany(field, addresses.length, most.addresses))
  for (const [i, address] of addresses.entries()) {
    const at = `${field}[${i}]`
    if (type === 'FQDN') errors.push(...domainErrors(at, address))
    if (type !== 'IPv4' && type !== 'IPv6') continue
    const malformed = type === 'IPv4' ? addressErrors(at, address) : canonicalErrors(at, address)
    if (malformed.length > 0) errors.push(...malformed)
    else {
      if (familyOf(address) !== type) errors.push(invalid(field, address, `must be an ${type} address`))
      errors.push(...endpointAddressErrors(at, address))
    }
  }
  return errors
}

/** IPv6 fields are younger than the strict rules and want the canonical form. */
function canonicalErrors(field: string, text: string): FieldError[] {
  const errors = addressErrors(field, text)
  const address = parseAddress(text)
  if (errors.length > 0 || address === undefined) return errors
  const canonical = formatAddress(address.family, address.value)
  return canonical === text ? [] : [invalid(field, text, `must be in canonical form (${goQuote(canonical)})`)]
}

function domainErrors(field: string, name: string): FieldError[] {
  if (name === '') return [required(field)]
  const bare = name.replace(/\.$/, '')
  const faults = dns1123Subdomain(bare)
  if (faults.length > 0) return [invalid(field, bare, faults.join(','))]
  const labels = bare.split('.')
  if (labels.length < 2) {
    return [invalid(field, bare, 'should be a domain with at least two segments separated by dots')]
  }
  const bad = labels.find((label) => dns1123Label(label).length > 0)
  return bad === undefined ? [] : [invalid(field, bad, dns1123Label(bad).join(','))]
}

function hintErrors({ forZones = [], forNodes = [] }: Hints, field: string): FieldError[] {
  if (forZones.length > most.hints) return [tooMany(`${field}.forZones`, forZones.length, most.hints)]
  const zones = namesErrors(forZones, `${field}.forZones`, labelValue)
  if (forNodes.length > most.hints) return [...zones, tooMany(`${field}.forNodes`, forNodes.length, most.hints)]
  return [...zones, ...namesErrors(forNodes, `${field}.forNodes`, dns1123Subdomain)]
}

function namesErrors(list: readonly { name: string }[], field: string, rule: (name: string) => string[]): FieldError[] {
  const seen = new Set<string>()
  return list.flatMap(({ name }, i) => {
    const at = `${field}[${i}].name`
    const errors = seen.has(name) ? [duplicate(at, name)] : []
    seen.add(name)
    return [...errors, ...eachInvalid(at, name, rule(name))]
  })
}
