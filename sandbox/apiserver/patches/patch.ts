/**
 * Which patch a request carries and what the object looks like after it.
 * Source of messages: k8s.io/apiserver/pkg/endpoints/handlers/patch.go.
 */
import { parse as parseYaml } from 'yaml'
import { mediaType, parseText } from '../bodies.ts'
import { badRequest, failure, unsupportedMediaType } from '../failure.ts'
import { clone, isObject } from '../json.ts'
import type { ApiRequest } from '../request.ts'
import type { Resource } from '../resource.ts'
import { jsonPatch } from './json-patch.ts'
import { mergePatch } from './merge.ts'
import { strategicPatch } from './strategic.ts'

export type PatchForm = 'json' | 'merge' | 'strategic' | 'apply'

const forms: Record<string, PatchForm> = {
  'application/json-patch+json': 'json',
  'application/merge-patch+json': 'merge',
  'application/strategic-merge-patch+json': 'strategic',
  'application/apply-patch+yaml': 'apply',
}

export function patchForm(request: ApiRequest, resource: Resource): PatchForm {
  const form = forms[mediaType(request.headers['content-type'])]
  if (!form) throw failure(415, 'UnsupportedMediaType', '415: Unsupported Media Type')
  if (form === 'strategic' && resource.kind.custom) {
    const known = Object.keys(forms).filter((type) => !resource.kind.custom || forms[type] !== 'strategic')
    throw unsupportedMediaType(known)
  }
  return form
}

export function readPatch(request: ApiRequest): unknown {
  const text = request.body ?? ''
  return parseText(text, mediaType(request.headers['content-type']).endsWith('+yaml') ? parseYaml : JSON.parse)
}

/** What the object is after the patch, unchecked: a copy that belongs to the caller. */
export function applyPatch(
  form: 'json' | 'merge' | 'strategic',
  resource: Resource,
  current: Record<string, unknown>,
  patch: unknown,
): Record<string, unknown> {
  if (form === 'json') return jsonPatch(current, patch)
  if (!isObject(patch)) {
    const given = Array.isArray(patch) ? 'array' : typeof patch
    throw badRequest(
      `error decoding patch: json: cannot unmarshal ${given} into Go value of type map[string]interface {}`,
    )
  }
  if (form === 'merge') return clone(mergePatch(current, patch))
  return strategicPatch(current, patch, resource.schema.schema)
}
