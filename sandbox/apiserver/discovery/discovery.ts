/**
 * Health, version and discovery endpoints: versions, groups, resource lists, and aggregated discovery (KEP-3352).
 */
import type { ApiContext } from '../context.ts'
import { noRoute } from '../failure.ts'
import type { ApiRequest, ApiResponse } from '../request.ts'
import { text, value } from '../response.ts'
import { type DiscoveredResource, discovered } from './resources.ts'

const version = {
  major: '1',
  minor: '36',
  emulationMajor: '1',
  emulationMinor: '36',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '35',
  gitVersion: 'v1.36.3+roadstead',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2026-06-12T00:00:00Z',
  goVersion: 'go1.26',
  compiler: 'gc',
  platform: 'linux/amd64',
}

const health: ReadonlySet<string> = new Set(['/healthz', '/livez', '/readyz'])

/** The answer when the path is one of these; undefined when it is a resource's. */
export function discovery(context: ApiContext, request: ApiRequest): ApiResponse | undefined {
  const path = request.path.length > 1 && request.path.endsWith('/') ? request.path.slice(0, -1) : request.path
  if (health.has(path) || health.has(path.slice(0, path.indexOf('/', 1)))) return text('ok')
  if (path === '/version') return value(version)
  const [, root, group, wanted, more] = path.split('/')
  if (root !== 'api' && root !== 'apis') return path.startsWith('/openapi') ? undefined : missingPage()
  const all = discovered(context.resources)
  if (group === undefined) return roots(all, root, request)
  if (root === 'api') return wanted === undefined ? resourceList(all, '', group) : undefined
  const known = groups(all).find(({ name }) => name === group)
  if (!known) return missingPage()
  if (wanted === undefined) return value({ kind: 'APIGroup', apiVersion: 'v1', ...known })
  return more === undefined ? resourceList(all, group, wanted) : undefined
}

function missingPage(): ApiResponse {
  return text('404 page not found\n', 404)
}

function roots(all: readonly DiscoveredResource[], root: string, request: ApiRequest): ApiResponse {
  const core = root === 'api'
  if (wantsAggregated(request)) return aggregated(all.filter(({ group }) => (group === '') === core))
  if (!core) return value({ kind: 'APIGroupList', apiVersion: 'v1', groups: groups(all) })
  const serverAddressByClientCIDRs = [{ clientCIDR: '0.0.0.0/0', serverAddress: request.headers['host'] ?? '' }]
  return value({ kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs })
}

interface GroupVersion {
  groupVersion: string
  version: string
}

interface Group {
  name: string
  versions: GroupVersion[]
  preferredVersion: GroupVersion | undefined
}

function groups(all: readonly DiscoveredResource[]): Group[] {
  const found = new Map<string, GroupVersion[]>()
  for (const { group, version } of all) {
    if (group === '') continue
    const versions = found.get(group) ?? []
    found.set(group, versions)
    if (!versions.some((known) => known.version === version)) {
      versions.push({ groupVersion: `${group}/${version}`, version })
    }
  }
  return [...found].map(([name, versions]) => {
    versions.sort((a, b) => byPriority(a.version, b.version))
    return { name, versions, preferredVersion: versions[0] }
  })
}

/** v2 before v1 before v1beta1 before v1alpha1; others last (k8s.io/apimachinery/pkg/version). */
function byPriority(left: string, right: string): number {
  const rank = (text: string): number[] => {
    const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(text)
    if (!match) return [-1, 0, 0]
    const stage = match[2] === 'alpha' ? 0 : match[2] === 'beta' ? 1 : 2
    return [stage, Number(match[1]), Number(match[3] ?? 0)]
  }
  const [a, b] = [rank(left), rank(right)]
  for (const index of [0, 1, 2]) {
    const difference = (b[index] ?? 0) - (a[index] ?? 0)
    if (difference !== 0) return difference
  }
  return left < right ? -1 : 1
}

function resourceList(all: readonly DiscoveredResource[], group: string, version: string): ApiResponse {
  const resources = all.filter((resource) => resource.group === group && resource.version === version)
  if (resources.length === 0) throw noRoute()
  return value({
    kind: 'APIResourceList',
    ...(group === '' ? {} : { apiVersion: 'v1' }),
    groupVersion: group === '' ? version : `${group}/${version}`,
    resources: resources.flatMap((resource) => listed(resource)),
  })
}

function listed(resource: DiscoveredResource): Record<string, unknown>[] {
  const { name, singular, namespaced, kind, verbs, shortNames, categories } = resource
  const main = {
    name,
    singularName: singular,
    namespaced,
    kind,
    verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
  }
  const parts = resource.subresources.map(({ name: part, kind: partKind, group, version, verbs: partVerbs }) => ({
    name: `${name}/${part}`,
    singularName: '',
    namespaced,
    ...(group === undefined ? {} : { group, version }),
    kind: partKind,
    verbs: partVerbs,
  }))
  return [main, ...parts]
}

function wantsAggregated({ headers }: ApiRequest): boolean {
  return (headers['accept'] ?? '')
    .split(',')
    .some((choice) => /as=APIGroupDiscoveryList/.test(choice) && /v=v2(;|$)/.test(choice) && /json/.test(choice))
}

function aggregated(all: readonly DiscoveredResource[]): ApiResponse {
  const names = [...new Set(all.map(({ group }) => group))]
  const items = names.map((group) => {
    const own = all.filter((resource) => resource.group === group)
    const versions = [...new Set(own.map(({ version }) => version))].sort(byPriority)
    return {
      metadata: group === '' ? {} : { name: group },
      versions: versions.map((version) => ({
        version,
        resources: own.filter((resource) => resource.version === version).map((resource) => summary(resource)),
        freshness: 'Current',
      })),
    }
  })
  const answer = value({ kind: 'APIGroupDiscoveryList', apiVersion: 'apidiscovery.k8s.io/v2', metadata: {}, items })
  answer.contentType = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
  return answer
}

function summary(resource: DiscoveredResource): Record<string, unknown> {
  const { group, version, kind, shortNames, categories, subresources } = resource
  return {
    resource: resource.name,
    responseKind: { group, version, kind },
    scope: resource.namespaced ? 'Namespaced' : 'Cluster',
    singularResource: resource.singular,
    verbs: resource.verbs,
    ...(shortNames.length > 0 ? { shortNames } : {}),
    ...(categories.length > 0 ? { categories } : {}),
    ...(subresources.length === 0
      ? {}
      : {
          subresources: subresources.map((part) => ({
            subresource: part.name,
            responseKind: { group: part.group ?? group, version: part.version ?? version, kind: part.kind },
            verbs: part.verbs,
          })),
        }),
  }
}
