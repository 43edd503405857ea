/** JSON Patch (RFC 6902) with the refusals of kube-apiserver. */
import { applyPatch as applyOperations, type Operation, Pointer } from 'rfc6902'
import { badRequest, failure } from '../failure.ts'
import { clone, isObject } from '../json.ts'

/** Most operations of one patch: k8s.io/apiserver/pkg/endpoints/handlers/patch.go. */
const maxOperations = 10_000

function isOperations(patch: unknown): patch is Operation[] {
  return Array.isArray(patch) && patch.every((step) => isObject(step) && typeof step['op'] === 'string')
}

/** The real server replaces a member that is not there as if it were added (evanphx/json-patch v4). */
function addWhereMissing(step: Operation, object: Record<string, unknown>): Operation {
  if (step.op !== 'replace') return step
  const parent = Pointer.fromJSON(step.path.slice(0, step.path.lastIndexOf('/'))).get(object)
  return isObject(parent) ? { ...step, op: 'add' } : step
}

export function jsonPatch(current: Record<string, unknown>, patch: unknown): Record<string, unknown> {
  if (!isOperations(patch)) {
    throw badRequest('error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp')
  }
  if (patch.length > maxOperations) {
    const text = `The allowed maximum operations in a JSON patch is ${maxOperations}, got ${patch.length}`
    throw failure(413, 'RequestEntityTooLarge', text)
  }
  const result = clone(current)
  for (const error of applyOperations(
    result,
    patch.map((step) => addWhereMissing(step, current)),
  )) {
    if (error === null) continue
    throw failure(422, 'Invalid', 'the server rejected our request due to an error in our request', {})
  }
  return result
}
