/**
 * Discovery: versions, groups, resource lists, health and version endpoints.
 */
import type { ApiContext } from './context.ts'
import type { ApiRequest, ApiResponse } from './request.ts'
import type { Resource } from './resource.ts'
import { text, value } from './response.ts'

const version = {
  major: '1',
  minor: '36',
  gitVersion: 'v1.36.3+roadstead',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '2026-06-12T00:00:00Z',
  goVersion: '',
  compiler: '',
  platform: 'linux/amd64',
}

const health: ReadonlySet<string> = new Set(['/healthz', '/livez', '/readyz'])

/** The answer when the path is one of discovery's. */
export function discovery(context: ApiContext, request: ApiRequest): ApiResponse | undefined {
  const path = request.path.length > 1 && request.path.endsWith('/') ? request.path.slice(0, -1) : request.path
  if (health.has(path)) return text('ok')
  if (path === '/version') return value(version)
  if (path === '/api') return value({ kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [] })
  if (path === '/apis') return value({ kind: 'APIGroupList', apiVersion: 'v1', groups: groups(context) })
  const parts = path.split('/')
  if (parts[1] === 'api' && parts.length === 3) return resourceList(context, '', parts[2] ?? '')
  if (parts[1] === 'apis' && parts.length === 3) {
    const group = groups(context).find(({ name }) => name === parts[2])
    return group && value({ kind: 'APIGroup', apiVersion: 'v1', ...group })
  }
  if (parts[1] === 'apis' && parts.length === 4) return resourceList(context, parts[2] ?? '', parts[3] ?? '')
  return undefined
}

interface GroupVersion {
  groupVersion: string
  version: string
}

function groups(context: ApiContext) {
  const found = new Map<string, GroupVersion[]>()
  for (const { kind } of context.resources.all()) {
    const { group, version } = kind.type
    if (group === '') continue
    const versions = found.get(group) ?? []
    if (!versions.some((known) => known.version === version))
      versions.push({ groupVersion: `${group}/${version}`, version })
    found.set(group, versions)
  }
  return [...found].map(([name, versions]) => ({ name, versions, preferredVersion: versions[0] }))
}

const allVerbs = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

function resourceList(context: ApiContext, group: string, wanted: string): ApiResponse | undefined {
  const resources = context.resources
    .all()
    .filter(({ kind }) => kind.type.group === group && kind.type.version === wanted)
  if (resources.length === 0) return undefined
  const groupVersion = group === '' ? wanted : `${group}/${wanted}`
  return value({
    kind: 'APIResourceList',
    ...(group === '' ? {} : { apiVersion: 'v1' }),
    groupVersion,
    resources: resources.flatMap((resource) => described(resource)),
  })
}

function described({ kind }: Resource): Record<string, unknown>[] {
  const { plural, namespaced, kind: name } = kind.type
  const main: Record<string, unknown> = {
    name: plural,
    singularName: kind.singular,
    namespaced,
    kind: name,
    verbs: allVerbs,
  }
  if (kind.shortNames.length > 0) main['shortNames'] = kind.shortNames
  if (kind.categories.length > 0) main['categories'] = kind.categories
  const parts = kind.subresources
    .filter((part) => part === 'status')
    .map((part) => ({
      name: `${plural}/${part}`,
      singularName: '',
      namespaced,
      kind: name,
      verbs: ['get', 'patch', 'update'],
    }))
  return [main, ...parts]
}
