/** Rules for the containers of a Pod: names, images, ports, environment, probes. Source: pkg/apis/core/validation validateContainers. */
import type { EnvVar } from '../../../../kube/objects.ts'
import type { FieldError } from '../../strategy.ts'
import { duplicate, eachInvalid, forbidden, invalid, notSupported, required } from '../field-error.ts'
import { portNumberOrNameErrors, protocols } from '../service/validation-ports.ts'
import { dns1123Label, portName, portNumber } from '../syntax.ts'
import { type PodContainer, type PodProbe, probeKinds } from './spec.ts'

const pullPolicies = ['Always', 'IfNotPresent', 'Never']
const messagePolicies = ['File', 'FallbackToLogsOnError']
const valueSources = ['fieldRef', 'resourceFieldRef', 'configMapKeyRef', 'secretKeyRef', 'fileKeyRef'] as const

export function containersErrors(containers: readonly PodContainer[], field: string): FieldError[] {
  if (containers.length === 0) return [required(field)]
  const names = new Set<string>()
  const errors = containers.flatMap((container, i) => {
    const at = `${field}[${i}]`
    const own = containerErrors(container, at)
    if (names.has(container.name)) own.push(duplicate(`${at}.name`, container.name))
    names.add(container.name)
    return [...own, ...probeKinds.flatMap((kind) => probeErrors(container[kind], kind, `${at}.${kind}`))]
  })
  return [...errors, ...hostPortErrors(containers, field)]
}

function containerErrors(container: PodContainer, field: string): FieldError[] {
  const { name, image, terminationMessagePolicy, imagePullPolicy } = container
  const errors = name ? eachInvalid(`${field}.name`, name, dns1123Label(name)) : [required(`${field}.name`)]
  if (!image) errors.push(required(`${field}.image`))
  if (terminationMessagePolicy && !messagePolicies.includes(terminationMessagePolicy)) {
    errors.push(notSupported(`${field}.terminationMessagePolicy`, terminationMessagePolicy, messagePolicies))
  }
  errors.push(...portErrors(container.ports ?? [], `${field}.ports`))
  errors.push(...(container.env ?? []).flatMap((variable, i) => envErrors(variable, `${field}.env[${i}]`)))
  if (imagePullPolicy && !pullPolicies.includes(imagePullPolicy)) {
    errors.push(notSupported(`${field}.imagePullPolicy`, imagePullPolicy, pullPolicies))
  }
  return errors
}

function portErrors(ports: NonNullable<PodContainer['ports']>, field: string): FieldError[] {
  const names = new Set<string>()
  return ports.flatMap((port, i) => {
    const at = `${field}[${i}]`
    const errors: FieldError[] = []
    if (port.name) {
      const faults = portName(port.name)
      errors.push(...eachInvalid(`${at}.name`, port.name, faults))
      if (faults.length === 0 && names.has(port.name)) errors.push(duplicate(`${at}.name`, port.name))
      names.add(port.name)
    }
    if (!port.containerPort) errors.push(required(`${at}.containerPort`))
    else errors.push(...eachInvalid(`${at}.containerPort`, port.containerPort, portNumber(port.containerPort)))
    if (port.hostPort) errors.push(...eachInvalid(`${at}.hostPort`, port.hostPort, portNumber(port.hostPort)))
    if (!port.protocol) errors.push(required(`${at}.protocol`))
    else if (!protocols.includes(port.protocol)) errors.push(notSupported(`${at}.protocol`, port.protocol, protocols))
    return errors
  })
}

/** One host port, address and protocol can be had once. */
function hostPortErrors(containers: readonly PodContainer[], field: string): FieldError[] {
  const seen = new Set<string>()
  return containers.flatMap(({ ports = [] }, i) =>
    ports.flatMap((port, j) => {
      if (!port.hostPort) return []
      const { hostIP = '' } = port as { hostIP?: string }
      const key = `${port.protocol}/${hostIP}/${port.hostPort}`
      const errors = seen.has(key) ? [duplicate(`${field}[${i}].ports[${j}].hostPort`, key)] : []
      seen.add(key)
      return errors
    }),
  )
}

function envErrors({ name, value, valueFrom }: EnvVar, field: string): FieldError[] {
  const errors: FieldError[] = []
  if (!name) errors.push(required(`${field}.name`))
  else if (!/^[ -<>-~]*$/.test(name)) {
    const text = "a valid environment variable name must consist only of printable ASCII characters other than '='"
    errors.push(invalid(`${field}.name`, name, text))
  }
  if (valueFrom === undefined) return errors
  const at = `${field}.valueFrom`
  const sources = valueSources.filter((source) => (valueFrom as Record<string, unknown>)[source] !== undefined)
  if (valueFrom.fieldRef !== undefined) errors.push(...fieldRefErrors(valueFrom.fieldRef.fieldPath, `${at}.fieldRef`))
  if (sources.length === 0) errors.push(invalid(at, '', `must specify one of: ${sourceList()}`))
  else if (value) errors.push(invalid(at, '', 'may not be specified when `value` is not empty'))
  else if (sources.length > 1) errors.push(invalid(at, '', 'may not have more than one field specified at a time'))
  return errors
}

function sourceList(): string {
  const quoted = valueSources.map((source) => `\`${source}\``)
  return `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`
}

const envPaths = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
]
/** Known to the downward API, and yet not for environment variables. */
const otherPaths = [
  'metadata.annotations',
  'metadata.labels',
  'spec.restartPolicy',
  'spec.schedulerName',
  'status.phase',
]

function fieldRefErrors(path: string | undefined, field: string): FieldError[] {
  if (!path) return [required(`${field}.fieldPath`)]
  if (/^metadata\.(labels|annotations)\['[^']+'\]$/.test(path) || envPaths.includes(path)) return []
  if (otherPaths.includes(path)) return [notSupported(`${field}.fieldPath`, path, envPaths)]
  const text = `error converting fieldPath: field label not supported: ${path}`
  return [invalid(`${field}.fieldPath`, path, text)]
}

function probeErrors(probe: PodProbe | undefined, kind: (typeof probeKinds)[number], field: string): FieldError[] {
  if (probe === undefined) return []
  const errors = handlerErrors(probe, field)
  const counts = [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ] as const
  for (const count of counts) {
    const value = probe[count] ?? 0
    if (value < 0) errors.push(invalid(`${field}.${count}`, value, 'must be greater than or equal to 0'))
  }
  if (kind !== 'readinessProbe' && probe.successThreshold !== 1) {
    errors.push(invalid(`${field}.successThreshold`, probe.successThreshold, 'must be 1'))
  }
  if (kind === 'readinessProbe' && probe.terminationGracePeriodSeconds !== undefined) {
    const at = `${field}.terminationGracePeriodSeconds`
    errors.push(invalid(at, probe.terminationGracePeriodSeconds, 'must not be set for readinessProbes'))
  }
  return errors
}

function handlerErrors(probe: PodProbe, field: string): FieldError[] {
  const present = (['exec', 'httpGet', 'tcpSocket', 'grpc'] as const).filter((kind) => probe[kind] !== undefined)
  if (present.length === 0) return [required(field, 'must specify a handler type')]
  return present.flatMap((kind, i) => {
    if (i > 0) return [forbidden(`${field}.${kind}`, 'may not specify more than 1 handler type')]
    if (kind === 'exec') return probe.exec?.command?.length ? [] : [required(`${field}.exec.command`)]
    const port = probe[kind]?.port ?? 0
    const errors = portNumberOrNameErrors(`${field}.${kind}.port`, port)
    const scheme = kind === 'httpGet' ? probe.httpGet?.scheme : undefined
    if (scheme !== undefined && scheme !== 'HTTP' && scheme !== 'HTTPS') {
      errors.push(notSupported(`${field}.httpGet.scheme`, scheme, ['HTTP', 'HTTPS']))
    }
    return errors
  })
}
