/**
 * The options of lists and watches: read, and refused in the server's words where they do not go together.
 * Source: k8s.io/apimachinery/pkg/apis/meta/internalversion/validation.
 */
import { badRequest, unclassified } from './failure.ts'
import { forbidden, notSupported } from './strategies/field-error.ts'
import { invalidFailure } from './strategies/status-failure.ts'

const options = { group: 'meta.k8s.io', kind: 'ListOptions' }
const matchField = 'resourceVersionMatch'

export function isWatch(query: URLSearchParams): boolean {
  const flag = query.get('watch')
  return flag === 'true' || flag === '1'
}

/** A number option; 0 when missing. */
export function integerOption(query: URLSearchParams, name: string): number {
  const given = query.get(name) ?? '0'
  if (!/^-?\d+$/.test(given)) throw badRequest(`strconv.ParseInt: parsing ${JSON.stringify(given)}: invalid syntax`)
  return Number(given)
}

/** resourceVersion; 0 when missing. */
export function versionOption(query: URLSearchParams): number {
  const given = query.get('resourceVersion') ?? ''
  if (given === '') return 0
  if (/^\d+$/.test(given)) return Number(given)
  const quoted = JSON.stringify(given)
  const text = `resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: invalid syntax`
  throw isWatch(query) ? unclassified(text) : badRequest(`invalid resource version: ${text}`)
}

function refuse(field: string, text: string): never {
  throw invalidFailure(options, '', [forbidden(field, text)])
}

/** Throws the 422 or 400 of options that contradict each other. */
export function checkListOptions(query: URLSearchParams): void {
  const version = query.get('resourceVersion') ?? ''
  const match = query.get(matchField) ?? ''
  const token = query.get('continue') ?? ''
  if (isWatch(query)) return checkWatch(query, match)
  if (query.has('sendInitialEvents')) refuse('sendInitialEvents', 'sendInitialEvents is forbidden for list')
  if (match === '') {
    if (token !== '' && version !== '' && version !== '0') {
      throw badRequest('specifying resource version is not allowed when using continue')
    }
    return
  }
  if (version === '') refuse(matchField, 'resourceVersionMatch is forbidden unless resourceVersion is provided')
  if (token !== '') refuse(matchField, 'resourceVersionMatch is forbidden when continue is provided')
  if (match !== 'Exact' && match !== 'NotOlderThan') {
    throw invalidFailure(options, '', [notSupported(matchField, match, ['Exact', 'NotOlderThan', ''])])
  }
  if (match === 'Exact' && version === '0') {
    refuse(matchField, 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
  }
}

function checkWatch(query: URLSearchParams, match: string): void {
  if (!query.has('sendInitialEvents')) {
    if (match === '') return
    refuse(matchField, 'resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided')
  }
  if (match !== 'NotOlderThan') {
    refuse(matchField, 'sendInitialEvents requires setting resourceVersionMatch to NotOlderThan')
  }
}
