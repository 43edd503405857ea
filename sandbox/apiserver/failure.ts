/**
 * Refusals as values that are thrown: a metav1.Status with the code, reason and message of kube-apiserver.
 * Source of the texts: k8s.io/apimachinery/pkg/api/errors.
 */
import type { Status } from '../../kube/objects.ts'
import type { ResourceType } from '../../kube/resources.ts'
import { StatusFailure } from './strategies/status-failure.ts'

type Details = NonNullable<Status['details']>
type Named = Pick<ResourceType, 'group' | 'plural'>

/** A failure Status; `details` is left out when undefined. */
export function failure(code: number, reason: string, message: string, details?: Details): StatusFailure {
  const status: Status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message }
  if (reason !== '') status.reason = reason
  if (details) status.details = details
  status.code = code
  return new StatusFailure(status)
}

function detailsOf(type: Named, name: string): Details {
  const details: Details = { name }
  if (type.group !== '') details.group = type.group
  details.kind = type.plural
  return details
}

/** `services`, `deployments.apps`: how messages name a resource. */
function qualified(type: Named): string {
  return type.group === '' ? type.plural : `${type.plural}.${type.group}`
}

export function notFound(type: Named, name: string): StatusFailure {
  return failure(404, 'NotFound', `${qualified(type)} "${name}" not found`, detailsOf(type, name))
}

/** No such path: what the server says before it knows a resource. */
export function noRoute(): StatusFailure {
  return failure(404, 'NotFound', 'the server could not find the requested resource', {})
}

export function alreadyExists(type: Named, name: string, beingDeleted = false): StatusFailure {
  const text = `${qualified(type)} "${name}" already exists`
  const message = beingDeleted ? `object is being deleted: ${text}` : text
  return failure(409, 'AlreadyExists', message, detailsOf(type, name))
}

export function conflict(type: Named, name: string, cause: string): StatusFailure {
  return failure(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(type)} "${name}": ${cause}`,
    detailsOf(type, name),
  )
}

/** The writer's resourceVersion is not the current one. */
export function modified(type: Named, name: string): StatusFailure {
  return conflict(
    type,
    name,
    'the object has been modified; please apply your changes to the latest version and try again',
  )
}

export function forbidden(
  type: Named,
  name: string,
  why: string,
  causes?: NonNullable<Details['causes']>,
): StatusFailure {
  const details = detailsOf(type, name)
  if (causes) details.causes = causes
  return failure(403, 'Forbidden', `${qualified(type)} "${name}" is forbidden: ${why}`, details)
}

export function badRequest(message: string): StatusFailure {
  return failure(400, 'BadRequest', message)
}

/** A failure the server did not expect from its own parts: a code and a text, no reason. */
export function unclassified(message: string): StatusFailure {
  return failure(500, '', message)
}

export function internalError(cause: string): StatusFailure {
  return failure(500, 'InternalError', `Internal error occurred: ${cause}`, { causes: [{ message: cause }] })
}

export function methodNotAllowed(): StatusFailure {
  return failure(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {})
}

export function expired(message: string): StatusFailure {
  return failure(410, 'Expired', message)
}

export function notAcceptable(accepted: readonly string[]): StatusFailure {
  return failure(406, 'NotAcceptable', `406: Not Acceptable\n\nAvailable representations: ${accepted.join(', ')}`)
}

export function unsupportedMediaType(accepted: readonly string[]): StatusFailure {
  return failure(
    415,
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${accepted.join(', ')}`,
  )
}
