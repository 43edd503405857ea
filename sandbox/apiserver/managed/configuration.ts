/** How a configuration that cannot be applied is refused. Source: k8s.io/apiserver/pkg/endpoints/handlers/patch.go, structured-merge-diff. */
import { badRequest, failure } from '../failure.ts'
import { textAt } from '../json.ts'

/** An apply configuration never takes its kind from the path. */
export function assertIdentified(body: Record<string, unknown>): void {
  const [group, version] = groupVersion(textAt(body, 'apiVersion'))
  const kind = textAt(body, 'kind')
  if (version === '' || kind === '') throw badRequest(`invalid object type: ${group}/${version}, Kind=${kind}`)
}

function groupVersion(apiVersion: string): [string, string] {
  const [first = '', second] = apiVersion.split('/')
  return second === undefined ? ['', first] : [first, second]
}

/** Unknown fields have no owner, so apply refuses them whatever fieldValidation says; in the real server's odd way, with a 500. */
export function undeclared(config: Record<string, unknown>, warnings: readonly string[]): Error {
  const [group, version] = groupVersion(textAt(config, 'apiVersion'))
  const name = `${textAt(config, 'metadata', 'namespace')}/${textAt(config, 'metadata', 'name')}`
  const faults = warnings.map(
    (warning) => `.${warning.replace(/^unknown field "(.*)"$/, '$1')}: field not declared in schema`,
  )
  const text = faults.length === 1 ? faults[0] : `errors:\n${faults.map((fault) => `  ${fault}`).join('\n')}`
  const type = `${group}/${version}, Kind=${textAt(config, 'kind')}`
  return failure(500, '', `failed to create typed patch object (${name}; ${type}): ${text}`)
}
