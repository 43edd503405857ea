/** Endpoints, deprecated since 1.33 and still there for Services without selector. Source: pkg/apis/core/validation validateEndpointSubsets. */
import type { EndpointAddress, Endpoints } from '../../../kube/objects.ts'
import { equal } from '../json.ts'
import type { FieldError, Strategy } from '../strategy.ts'
import { builtIn } from './built-in.ts'
import { eachInvalid, notSupported, required } from './field-error.ts'
import { addressErrors, addressWarnings, endpointAddressErrors } from './ip.ts'
import { protocols } from './service/validation-ports.ts'
import { dns1123Label, dns1123Subdomain, portNumber, qualifiedName } from './syntax.ts'

type Subset = NonNullable<Endpoints['subsets']>[number]
type Port = NonNullable<Subset['ports']>[number]

export function endpointsStrategy(): Strategy<Endpoints> {
  return builtIn<Endpoints>({
    kind: 'Endpoints',
    namespaced: true,
    name: dns1123Subdomain,
    metaOnUpdate: ['update', 'create'],
    setDefaults: ({ subsets }) => {
      for (const subset of subsets ?? []) for (const port of subset.ports ?? []) port.protocol ||= 'TCP'
    },
    errors: ({ subsets = [] }, old) => {
      const errors = subsets.flatMap((subset, i) => subsetErrors(subset, `subsets[${i}]`))
      return old !== undefined && equal(subsets, old.subsets ?? []) ? [] : errors
    },
    warnings: ({ subsets = [] }, old) =>
      old !== undefined && equal(subsets, old.subsets ?? []) ? [] : oddAddresses(subsets),
  })
}

function subsetErrors({ addresses = [], notReadyAddresses = [], ports = [] }: Subset, field: string): FieldError[] {
  const errors: FieldError[] = []
  if (addresses.length + notReadyAddresses.length === 0) {
    errors.push(required(field, 'must specify `addresses` or `notReadyAddresses`'))
  }
  return [
    ...errors,
    ...addresses.flatMap((address, i) => oneAddressErrors(address, `${field}.addresses[${i}]`)),
    ...notReadyAddresses.flatMap((address, i) => oneAddressErrors(address, `${field}.notReadyAddresses[${i}]`)),
    ...ports.flatMap((port, i) => portErrors(port, `${field}.ports[${i}]`, ports.length > 1)),
  ]
}

function oneAddressErrors({ ip, hostname, nodeName }: EndpointAddress, field: string): FieldError[] {
  return [
    ...addressErrors(`${field}.ip`, ip),
    ...(hostname ? eachInvalid(`${field}.hostname`, hostname, dns1123Label(hostname)) : []),
    ...(nodeName === undefined ? [] : eachInvalid(`${field}.nodeName`, nodeName, dns1123Subdomain(nodeName))),
    ...endpointAddressErrors(`${field}.ip`, ip),
  ]
}

function portErrors(port: Port, field: string, nameNeeded: boolean): FieldError[] {
  const errors: FieldError[] = []
  if (port.name) errors.push(...eachInvalid(`${field}.name`, port.name, dns1123Label(port.name)))
  else if (nameNeeded) errors.push(required(`${field}.name`))
  errors.push(...eachInvalid(`${field}.port`, port.port ?? 0, portNumber(port.port ?? 0)))
  if (!port.protocol) errors.push(required(`${field}.protocol`))
  else if (!protocols.includes(port.protocol)) {
    errors.push(notSupported(`${field}.protocol`, port.protocol, protocols))
  }
  if (port.appProtocol !== undefined) {
    errors.push(...eachInvalid(`${field}.appProtocol`, port.appProtocol, qualifiedName(port.appProtocol)))
  }
  return errors
}

function oddAddresses(subsets: readonly Subset[]): string[] {
  return subsets.flatMap((subset, i) =>
    (['addresses', 'notReadyAddresses'] as const).flatMap((list) =>
      (subset[list] ?? []).flatMap(({ ip }, j) => addressWarnings(`subsets[${i}].${list}[${j}].ip`, ip)),
    ),
  )
}
