/** Rules for spec.ports: each port by itself, names within the Service, and pairs that must not repeat. */
import type { Service, ServicePort } from '../../../../kube/objects.ts'
import type { FieldError } from '../../strategy.ts'
import { duplicate, eachInvalid, notSupported, required } from '../field-error.ts'
import { dns1123Label, portName, portNumber, qualifiedName } from '../syntax.ts'

export const protocols = ['SCTP', 'TCP', 'UDP']

export function portErrors({ spec }: Service): FieldError[] {
  const ports = spec.ports ?? []
  const names = new Set<string>()
  return ports.flatMap((port, i) => {
    const field = `spec.ports[${i}]`
    return [...nameErrors(port, `${field}.name`, ports.length > 1, names), ...valueErrors(port, field)]
  })
}

function nameErrors(port: ServicePort, field: string, needed: boolean, names: Set<string>): FieldError[] {
  if (!port.name) return needed ? [required(field)] : []
  const errors = eachInvalid(field, port.name, dns1123Label(port.name))
  if (names.has(port.name)) errors.push(duplicate(field, port.name))
  names.add(port.name)
  return errors
}

function valueErrors(port: ServicePort, field: string): FieldError[] {
  const errors = eachInvalid(`${field}.port`, port.port ?? 0, portNumber(port.port ?? 0))
  if (!port.protocol) errors.push(required(`${field}.protocol`))
  else if (!protocols.includes(port.protocol)) {
    errors.push(notSupported(`${field}.protocol`, port.protocol, protocols))
  }
  errors.push(...portNumberOrNameErrors(`${field}.targetPort`, port.targetPort ?? 0))
  if (port.appProtocol !== undefined) {
    errors.push(...eachInvalid(`${field}.appProtocol`, port.appProtocol, qualifiedName(port.appProtocol)))
  }
  return errors
}

export function portNumberOrNameErrors(field: string, port: number | string): FieldError[] {
  return eachInvalid(field, port, typeof port === 'number' ? portNumber(port) : portName(port))
}

/** (protocol, nodePort) and (protocol, port) may each appear once. */
export function duplicatePortErrors({ spec }: Service): FieldError[] {
  const ports = spec.ports ?? []
  const nodePorts = new Set<string>()
  const numbers = new Set<string>()
  const errors: FieldError[] = []
  for (const [i, { protocol, nodePort }] of ports.entries()) {
    if (!nodePort) continue
    const pair = `${protocol} ${nodePort}`
    if (nodePorts.has(pair)) errors.push(duplicate(`spec.ports[${i}].nodePort`, nodePort))
    nodePorts.add(pair)
  }
  for (const [i, { protocol, port }] of ports.entries()) {
    const pair = `${protocol} ${port}`
    if (numbers.has(pair)) errors.push(duplicate(`spec.ports[${i}]`, internalPort(protocol, port)))
    numbers.add(pair)
  }
  return errors
}

/** The message shows the server's internal struct, which has no JSON names. */
function internalPort(protocol: string | undefined, port: number): Record<string, unknown> {
  return { Name: '', Protocol: protocol, AppProtocol: null, Port: port, TargetPort: 0, NodePort: 0 }
}
