/**
 * Replays corpus scenarios against an API server and gives its answers in a form two servers can be compared by:
 * times, UIDs and versions out, values that the server chose replaced by names in order of appearance.
 */
import { isDeepStrictEqual } from 'node:util'
import { createNormaliser } from './normalise.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type JsonObject = { [key: string]: Json }

interface Step {
  /** `plural`, `plural/name` or `plural/name/subresource`, with an optional query. Exactly one of these six. */
  post?: string
  put?: string
  patch?: string
  delete?: string
  get?: string
  /** Reads the object, merges `with` into it and PUTs the whole. */
  edit?: string
  /** Text values `${plural/name:path}` stand for what the server last said of that object. */
  body?: Json
  with?: Json
  type?: 'merge' | 'strategic' | 'json' | 'apply'
}

export interface Scenario {
  name: string
  steps: Step[]
}

export interface Answer {
  code: number
  reason?: string
  message?: string
  causes?: Json
  warnings?: string[]
  object?: Json
}

export interface Reply {
  code: number
  body: Json
  warnings: string[]
}

export type Send = (method: string, path: string, contentType: string, body: Json | undefined) => Promise<Reply>

const groups: Record<string, string> = {
  deployments: 'apis/apps/v1',
  endpointslices: 'apis/discovery.k8s.io/v1',
  leases: 'apis/coordination.k8s.io/v1',
  customresourcedefinitions: 'apis/apiextensions.k8s.io/v1',
  boats: 'apis/corpus.roadstead.dev/v1',
  docks: 'apis/corpus.roadstead.dev/v1',
}
const clusterScoped = new Set(['namespaces', 'nodes', 'customresourcedefinitions', 'docks'])
const patchTypes = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
}

/** One answer per step. The scenario gets a namespace of its own, and its Services and cluster-wide objects are removed afterwards. */
export async function replay(send: Send, scenario: Scenario): Promise<Answer[]> {
  const namespace = `scenario-${scenario.name.replaceAll(/[^a-z0-9]+/g, '-')}`.slice(0, 60).replace(/-$/, '')
  const normalise = createNormaliser(JSON.stringify(scenario.steps), namespace)
  const known = new Map<string, JsonObject>()
  const made = await send('POST', '/api/v1/namespaces', 'application/json', { metadata: { name: namespace } })
  if (made.code !== 201) throw new Error(`namespace ${namespace}: ${JSON.stringify(made)}`)
  const answers: Answer[] = []
  for (const step of scenario.steps) {
    const reply = await perform(send, step, namespace, known)
    remember(step, reply, known)
    answers.push(normalise(reply))
  }
  await cleanUp(send, namespace, known)
  return answers
}

/** The steps at which two servers answer differently, by index. */
export function differences(expected: readonly Answer[], actual: readonly Answer[]): number[] {
  return expected.flatMap((answer, i) => (isDeepStrictEqual(answer, actual[i]) ? [] : [i]))
}

async function perform(send: Send, step: Step, namespace: string, known: Map<string, JsonObject>): Promise<Reply> {
  const body = fill(step.body, known)
  if (step.edit !== undefined) {
    const path = pathOf(step.edit, namespace)
    const read = await send('GET', path.replace(/\/status(?=\?|$)/, '').replace(/\?.*/, ''), '', undefined)
    if (read.code >= 300) return read
    return send('PUT', path, 'application/json', mergePatch(read.body, fill(step.with, known) ?? {}))
  }
  if (step.patch !== undefined) {
    return settled(send, 'PATCH', pathOf(step.patch, namespace), patchTypes[step.type ?? 'merge'], body)
  }
  for (const method of ['post', 'put', 'delete', 'get'] as const) {
    const target = step[method]
    if (target !== undefined) {
      return settled(send, method.toUpperCase(), pathOf(target, namespace), 'application/json', body)
    }
  }
  throw new Error(`a step without a verb: ${JSON.stringify(step)}`)
}

/** A new CustomResourceDefinition is served a moment after its creation was answered. */
async function settled(send: Send, method: string, path: string, type: string, body?: Json): Promise<Reply> {
  const reply = await send(method, path, type, body)
  if (method !== 'POST' || !path.includes('/customresourcedefinitions') || reply.code !== 201) return reply
  const plural = lookUp(reply.body as JsonObject, 'spec.names.plural')
  const list = typeof plural === 'string' ? `/${groups[plural]}/${plural}` : ''
  for (let tries = 0; tries < 100; tries++) {
    if ((await send('GET', list, '', undefined)).code === 200) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  return reply
}

function pathOf(target: string, namespace: string): string {
  const [, plural = '', rest = ''] = /^([a-z]+)(.*)$/.exec(target) ?? []
  const base = groups[plural] ?? 'api/v1'
  return clusterScoped.has(plural) ? `/${base}/${plural}${rest}` : `/${base}/namespaces/${namespace}/${plural}${rest}`
}

function remember(step: Step, reply: Reply, known: Map<string, JsonObject>): void {
  const target = step.post ?? step.put ?? step.patch ?? step.edit ?? step.get ?? step.delete ?? ''
  const plural = /^[a-z]+/.exec(target)?.[0] ?? ''
  const object = reply.body as JsonObject
  const name = (object?.['metadata'] as JsonObject | undefined)?.['name']
  const kind = object?.['kind']
  if (reply.code < 300 && typeof name === 'string' && kind !== 'Status') known.set(`${plural}/${name}`, object)
}

/** Replaces `${plural/name:path}`; a text that is nothing else becomes the value itself. */
function fill(value: Json | undefined, known: Map<string, JsonObject>): Json | undefined {
  if (typeof value === 'string') {
    const whole = /^\$\{([^:}]+):([^}]+)\}$/.exec(value)
    if (whole !== null) return lookUp(known.get(whole[1] ?? ''), whole[2] ?? '')
    return value
  }
  if (Array.isArray(value)) return value.map((item) => fill(item, known) ?? null)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, fill(item, known) ?? null]))
}

function lookUp(object: JsonObject | undefined, path: string): Json {
  let here: Json | undefined = object
  for (const step of path.split(/[.[\]]+/).filter((part) => part !== '')) {
    here = (here as Record<string, Json> | undefined)?.[step]
  }
  if (here === undefined) throw new Error(`nothing known at ${path}`)
  return here
}

function mergePatch(target: Json, patch: Json): Json {
  if (patch === null || typeof patch !== 'object' || Array.isArray(patch)) return patch
  const result: JsonObject =
    target !== null && typeof target === 'object' && !Array.isArray(target) ? { ...target } : {}
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key]
    else result[key] = mergePatch(result[key] ?? null, value)
  }
  return result
}

async function cleanUp(send: Send, namespace: string, known: Map<string, JsonObject>): Promise<void> {
  for (const key of known.keys()) {
    const plural = key.split('/')[0] ?? ''
    if (plural !== 'services' && !clusterScoped.has(plural)) continue
    const path = pathOf(key, namespace)
    await send('PATCH', path, patchTypes.merge, { metadata: { finalizers: null } })
    await send('DELETE', path, 'application/json', { kind: 'DeleteOptions', apiVersion: 'v1', gracePeriodSeconds: 0 })
  }
}
