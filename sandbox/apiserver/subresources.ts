/**
 * Subresources that are not part of the object: /scale, Pods' /binding and /eviction, and access reviews.
 * Source: pkg/registry/core/pod/storage (storage.go, eviction.go), pkg/registry/apps/deployment/storage, autoscaling/v1.
 */
import type { KubeObject, Pod } from '../../kube/objects.ts'
import { parseBody } from './bodies.ts'
import type { ApiContext, WriteOptions } from './context.ts'
import type { ScalePaths } from './crd/definition.ts'
import { remove } from './deletes.ts'
import type { Entry } from './entry.ts'
import { badRequest, conflict, methodNotAllowed } from './failure.ts'
import { at, clone, fieldsOf, isObject, plainText, textAt } from './json.ts'
import type { ApiRequest, ApiResponse } from './request.ts'
import type { Resource } from './resource.ts'
import { value } from './response.ts'
import { mergePatch } from './patches/merge.ts'
import { readPatch } from './patches/patch.ts'
import { update } from './writes.ts'

const created = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 }

interface PodCall {
  context: ApiContext
  request: ApiRequest
  resource: Resource
  entry: Entry
  options: WriteOptions
}

/** POST /binding: the scheduler's decision. */
export function bind({ context, request, resource, entry, options }: PodCall): ApiResponse {
  const body = parseBody(request)
  if (textAt(body, 'metadata', 'name') !== entry.name)
    throw badRequest('name in URL does not match name in Binding object')
  const node = textAt(body, 'target', 'name')
  if (node === '') throw badRequest('Binding "" is invalid: target.name: Required value')
  const pod = clone(entry.object) as Pod
  if (pod.metadata.deletionTimestamp !== undefined) {
    throw conflict(podBinding, entry.name, `pod ${entry.name} is being deleted, cannot be assigned to a host`)
  }
  if (pod.spec.nodeName) {
    throw conflict(podBinding, entry.name, `pod ${entry.name} is already assigned to node "${pod.spec.nodeName}"`)
  }
  pod.spec.nodeName = node
  const now = new Date(context.clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
  const others = (pod.status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled')
  const scheduled = { type: 'PodScheduled', status: 'True' as const, lastTransitionTime: now }
  pod.status = { ...pod.status, conditions: [...others, scheduled] }
  update(context, { resource, old: entry, subresource: 'binding', fromPatch: true }, pod, options)
  return value(created, 201)
}

const podBinding = { group: '', plural: 'pods/binding' }

/** POST /eviction: a delete; disruption budgets are not served, so nothing stands in the way. */
export function evict({ context, request, resource, entry, options }: PodCall): ApiResponse {
  const grace = at(parseBody(request), 'deleteOptions', 'gracePeriodSeconds')
  remove(context, resource, entry, {
    dryRun: options.dryRun,
    ...(typeof grace === 'number' ? { gracePeriodSeconds: grace } : {}),
  })
  return value(created, 201)
}

const deploymentPaths: ScalePaths = {
  specReplicasPath: '.spec.replicas',
  statusReplicasPath: '.status.replicas',
}

/** GET, PUT and PATCH of /scale: replicas through autoscaling/v1 Scale. */
export function scale({ context, request, resource, entry, options }: PodCall): ApiResponse {
  const paths = resource.definition?.subresources?.scale ?? deploymentPaths
  const before = scaleOf(entry.object, paths)
  if (request.method === 'GET') return value(before)
  const wanted = request.method === 'PUT' ? parseBody(request) : patched(request, before)
  const replicas = at(wanted, 'spec', 'replicas') ?? 0
  if (!isObject(wanted) || typeof replicas !== 'number') throw badRequest('spec.replicas must be a number')
  const object = clone(entry.object)
  setPath(object, paths.specReplicasPath, replicas)
  const version = textAt(wanted, 'metadata', 'resourceVersion')
  if (version !== '') object.metadata.resourceVersion = version
  const written = update(context, { resource, old: entry, subresource: 'scale', fromPatch: true }, object, options)
  return value(scaleOf(written.entry.object, paths))
}

function patched(request: ApiRequest, before: Record<string, unknown>): unknown {
  if (request.method !== 'PATCH') throw methodNotAllowed()
  return mergePatch(before, readPatch(request))
}

function scaleOf(object: KubeObject, paths: ScalePaths): Record<string, unknown> {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata
  const read = (path: string) => at(object, ...path.split('.').filter((part) => part !== ''))
  const labels = at(object, 'spec', 'selector', 'matchLabels')
  const selector = paths.labelSelectorPath
    ? plainText(read(paths.labelSelectorPath) ?? '')
    : Object.entries(isObject(labels) ? labels : {})
        .map(([key, label]) => `${key}=${String(label)}`)
        .join(',')
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: read(paths.specReplicasPath) ?? 0 },
    status: { replicas: read(paths.statusReplicasPath) ?? 0, ...(selector === '' ? {} : { selector }) },
  }
}

function setPath(object: KubeObject, path: string, wanted: number): void {
  const steps = path.split('.').filter((part) => part !== '')
  let here = fieldsOf(object)
  for (const step of steps.slice(0, -1)) {
    const next = isObject(here[step]) ? here[step] : {}
    here[step] = next
    here = next
  }
  here[steps.at(-1) ?? ''] = wanted
}

/** Everyone may do everything here: there is no authorization. */
export function reviewAccess(request: ApiRequest): ApiResponse | undefined {
  if (request.path !== '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews') return undefined
  if (request.method !== 'POST') throw methodNotAllowed()
  const body = parseBody(request)
  const spec = isObject(body) ? body['spec'] : undefined
  const review = { kind: 'SelfSubjectAccessReview', apiVersion: 'authorization.k8s.io/v1', metadata: {}, spec }
  return value({ ...review, status: { allowed: true } }, 201)
}
