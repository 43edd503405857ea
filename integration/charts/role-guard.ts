/**
 * Role-based access control in front of the sandbox's API server: refuses what rendered roles do not grant, as kube-apiserver's RBAC
 * authorizer does, and remembers which grants were used. So a test can say "neither more nor fewer".
 */
import type { Api } from '../../sandbox/apiserver/api.ts'
import { failure } from '../../sandbox/apiserver/failure.ts'
import type { ApiRequest } from '../../sandbox/apiserver/request.ts'
import { refusal } from '../../sandbox/apiserver/response.ts'
import { parseResourcePath } from '../../sandbox/apiserver/routes.ts'
import type { Rendered } from './helm.ts'

/** One verb on one resource, as small as a rule can say it. */
interface Grant {
  /** undefined: in every namespace and outside of them. */
  namespace: string | undefined
  group: string
  /** With the subresource. */
  resource: string
  verb: string
  /** undefined: whatever the name. */
  name: string | undefined
}

export interface Guard {
  /** Requests the roles do not grant, as text. */
  denied: ReadonlySet<string>
  /** Grants no request has used, as text. */
  unused(): string[]
}

/** Stands between the API and requests of one user agent from now on. */
export function guard(api: Api, userAgent: string, objects: readonly Rendered[]): Guard {
  const grants = objects.filter(({ kind }) => kind === 'ClusterRole' || kind === 'Role').flatMap(grantsOf)
  const used = new Set<Grant>()
  const denied = new Set<string>()
  const handle = api.handle.bind(api)
  api.handle = async (request) => {
    if (!(request.headers['user-agent'] ?? '').startsWith(userAgent)) return handle(request)
    for (const wanted of await attributesOf(handle, request)) {
      const granting = grants.filter((grant) => covers(grant, wanted))
      for (const grant of granting) used.add(grant)
      if (granting.length > 0) continue
      denied.add(textOf(wanted))
      return refusal(failure(403, 'Forbidden', `forbidden: ${textOf(wanted)}`, {}))
    }
    return handle(request)
  }
  return { denied, unused: () => grants.filter((grant) => !used.has(grant)).map(textOf) }
}

function grantsOf(object: Rendered): Grant[] {
  const { rules = [] } = object
  const namespace = object.kind === 'Role' ? object.metadata.namespace : undefined
  return rules.flatMap(({ apiGroups, resources, verbs, resourceNames = [undefined] }) =>
    apiGroups.flatMap((group) =>
      resources.flatMap((resource) =>
        verbs.flatMap((verb) => resourceNames.map((name) => ({ namespace, group, resource, verb, name }))),
      ),
    ),
  )
}

function covers(grant: Grant, wanted: Grant): boolean {
  return (
    (grant.namespace === undefined || grant.namespace === wanted.namespace) &&
    grant.group === wanted.group &&
    grant.resource === wanted.resource &&
    grant.verb === wanted.verb &&
    (grant.name === undefined || grant.name === wanted.name)
  )
}

/** What is authorized. A server-side apply that creates the object needs `create` as well as `patch`. */
async function attributesOf(handle: Api['handle'], request: ApiRequest): Promise<Grant[]> {
  const path = parseResourcePath(request.path)
  if (path === undefined) return []
  const { group, plural, namespace, name, subresource } = path
  const resource = subresource === '' ? plural : `${plural}/${subresource}`
  const wanted = { namespace, group, resource, verb: verbOf(request, name), name }
  if (!(request.headers['content-type'] ?? '').includes('apply-patch')) return [wanted]
  const { code } = await handle({ ...request, method: 'GET', query: new URLSearchParams(), headers: {} })
  return code === 404 ? [wanted, { ...wanted, verb: 'create' }] : [wanted]
}

function verbOf({ method, query }: ApiRequest, name: string | undefined): string {
  if (method === 'GET' && query.get('watch') === 'true') return 'watch'
  if (method === 'GET') return name === undefined ? 'list' : 'get'
  const verbs: Record<string, string> = { POST: 'create', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }
  return verbs[method] ?? method
}

function textOf({ namespace, group, resource, verb, name }: Grant): string {
  const where = namespace === undefined ? '' : ` in ${namespace}`
  return `${verb} ${group === '' ? '' : `${group}/`}${resource}${name === undefined ? '' : ` ${name}`}${where}`
}
