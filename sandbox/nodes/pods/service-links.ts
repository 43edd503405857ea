/**
 * Service environment variables, as kubelet makes them (pkg/kubelet/envvars, getServiceEnvVarMap): for each Service of the Pod's
 * namespace that has a cluster IP, and always for `default/kubernetes`. Pure.
 */
import type { Service, ServicePort } from '../../../kube/objects.ts'

/** `services`: all that existed when the Pod started. `links`: spec.enableServiceLinks, true when absent. */
export function serviceEnvironment(
  services: Iterable<Service>,
  namespace: string,
  links: boolean,
): Record<string, string> {
  const chosen = new Map<string, Service>()
  for (const service of services) {
    const { name = '', namespace: home } = service.metadata
    const ip = service.spec.clusterIP
    if (ip === undefined || ip === '' || ip === 'None') continue
    if (home === 'default' && name === 'kubernetes') {
      if (!chosen.has(name)) chosen.set(name, service)
    } else if (home === namespace && links) chosen.set(name, service)
  }
  return Object.assign({}, ...[...chosen.values()].map(variables))
}

function variables(service: Service): Record<string, string> {
  const prefix = variableName(service.metadata.name ?? '')
  const ip = service.spec.clusterIP ?? ''
  const ports = service.spec.ports ?? []
  const first = ports[0]
  if (!first) return { [`${prefix}_SERVICE_HOST`]: ip }
  const result: Record<string, string> = {
    [`${prefix}_SERVICE_HOST`]: ip,
    [`${prefix}_SERVICE_PORT`]: `${first.port}`,
  }
  for (const port of ports) if (port.name) result[`${prefix}_SERVICE_PORT_${variableName(port.name)}`] = `${port.port}`
  result[`${prefix}_PORT`] = url(first, ip)
  for (const port of ports) {
    const link = `${prefix}_PORT_${port.port}_${protocolOf(port).toUpperCase()}`
    result[link] = url(port, ip)
    result[`${link}_PROTO`] = protocolOf(port)
    result[`${link}_PORT`] = `${port.port}`
    result[`${link}_ADDR`] = ip
  }
  return result
}

function variableName(name: string): string {
  return name.toUpperCase().replaceAll('-', '_')
}

function protocolOf(port: ServicePort): string {
  return (port.protocol ?? 'TCP').toLowerCase()
}

function url(port: ServicePort, ip: string): string {
  return `${protocolOf(port)}://${ip.includes(':') ? `[${ip}]` : ip}:${port.port}`
}
