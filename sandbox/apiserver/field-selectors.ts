/**
 * Field selectors: each kind has a few selectable fields, everything else is a 400 in the server's words.
 * Source: pkg/apis/core/v1/conversion.go (AddFieldLabelConversionsFor...) and the ...ToSelectableFields functions of the strategies.
 */
import type { KubeObject } from '../../kube/objects.ts'
import { badRequest } from './failure.ts'
import { at, plainText, textAt } from './json.ts'
import type { Kind } from './kind.ts'

export type FieldSelector = ((object: KubeObject) => boolean) | undefined
type Reader = (object: KubeObject) => string

const path =
  (...steps: string[]): Reader =>
  (object) => {
    const found = at(object, ...steps)
    return found === undefined || found === null ? '' : plainText(found)
  }

const eventFields: Record<string, Reader> = {
  'involvedObject.kind': path('involvedObject', 'kind'),
  'involvedObject.namespace': path('involvedObject', 'namespace'),
  'involvedObject.name': path('involvedObject', 'name'),
  'involvedObject.uid': path('involvedObject', 'uid'),
  'involvedObject.apiVersion': path('involvedObject', 'apiVersion'),
  'involvedObject.resourceVersion': path('involvedObject', 'resourceVersion'),
  'involvedObject.fieldPath': path('involvedObject', 'fieldPath'),
  reason: path('reason'),
  reportingComponent: path('reportingComponent'),
  source: (event) => textAt(event, 'source', 'component') || textAt(event, 'reportingComponent'),
  type: path('type'),
}

const fieldsByPlural: Record<string, Record<string, Reader>> = {
  events: eventFields,
  namespaces: { 'status.phase': path('status', 'phase') },
  nodes: { 'spec.unschedulable': (node) => String(at(node, 'spec', 'unschedulable') === true) },
  pods: {
    'spec.nodeName': path('spec', 'nodeName'),
    'spec.restartPolicy': path('spec', 'restartPolicy'),
    'spec.schedulerName': path('spec', 'schedulerName'),
    'spec.serviceAccountName': path('spec', 'serviceAccountName'),
    'spec.hostNetwork': (pod) => String(at(pod, 'spec', 'hostNetwork') === true),
    'status.phase': path('status', 'phase'),
    'status.podIP': path('status', 'podIP'),
    'status.podIPs': path('status', 'podIP'),
    'status.nominatedNodeName': path('status', 'nominatedNodeName'),
  },
  secrets: { type: path('type') },
  services: { 'spec.clusterIP': path('spec', 'clusterIP'), 'spec.type': path('spec', 'type') },
}

/** Fields a selector may name for this kind. */
function selectable(kind: Kind): Record<string, Reader> {
  const own = kind.custom ? {} : (fieldsByPlural[kind.type.plural] ?? {})
  const fields: Record<string, Reader> = { ...own, 'metadata.name': path('metadata', 'name') }
  if (kind.type.namespaced || !kind.custom) fields['metadata.namespace'] = path('metadata', 'namespace')
  return fields
}

interface Term {
  field: string
  value: string
  negated: boolean
}

/** Splits at unescaped commas and reads `field=value`, `==` or `!=` with backslash escapes in the value. */
function terms(text: string): Term[] {
  const parts = text.match(/(?:\\.|[^,\\])+/g) ?? []
  return parts.map((part) => {
    const match = /^(.*?)(!=|==|=)(.*)$/s.exec(part)
    if (!match) throw badRequest(`invalid selector: '${text}'; can't understand '${part}'`)
    const value = (match[3] ?? '').replaceAll(/\\(.)/g, '$1')
    return { field: match[1] ?? '', value, negated: match[2] === '!=' }
  })
}

function unsupported(kind: Kind, field: string): string {
  if (kind.custom || kind.type.group !== '') return `field label not supported: ${field}`
  const own = fieldsByPlural[kind.type.plural]
  if (!own) return `"${field}" is not a known field selector: only "metadata.name", "metadata.namespace"`
  return `field label not supported: ${field}`
}

/** Throws the server's 400 for a field this kind does not select by. */
export function parseFieldSelector(kind: Kind, text: string | undefined): FieldSelector {
  if (text === undefined || text === '') return undefined
  const fields = selectable(kind)
  const tests = terms(text).map(({ field, value, negated }) => {
    const read = fields[field]
    if (!read) throw badRequest(unsupported(kind, field))
    return (object: KubeObject) => (read(object) === value) !== negated
  })
  return (object) => tests.every((matches) => matches(object))
}
