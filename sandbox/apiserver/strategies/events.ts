/**
 * Events of core/v1. Those with an eventTime are the new kind and must say who reports what; the old kind only has to live in the
 * namespace of the object it is about. Source: pkg/apis/core/validation/events.go legacyValidateEvent. Metadata is not judged there.
 */
import type { Event } from '../../../kube/objects.ts'
import type { FieldError, Strategy } from '../strategy.ts'
import { builtIn } from './built-in.ts'
import { eachInvalid, invalid, required } from './field-error.ts'
import { byteLength, dns1123Subdomain, pathSegment, qualifiedName } from './syntax.ts'

const longest = 128
const longestMessage = 1024
type NewEvent = Event & { eventTime?: string | null; action?: string }

export function eventStrategy(): Strategy<Event> {
  return builtIn<Event>({
    kind: 'Event',
    namespaced: true,
    name: pathSegment,
    metaOnUpdate: [],
    errors: (event) => [
      ...((event as NewEvent).eventTime ? newEventErrors(event) : namespaceErrors(event, ['', 'default'])),
      ...eachInvalid('namespace', event.metadata.namespace, dns1123Subdomain(event.metadata.namespace ?? '')),
    ],
  })
}

/** `homes`: namespaces where events about cluster-wide objects may live. */
function namespaceErrors({ metadata, involvedObject }: Event, homes: readonly string[]): FieldError[] {
  const about = involvedObject.namespace ?? ''
  const own = metadata.namespace ?? ''
  if (about === '' ? homes.includes(own) : about === own) return []
  return [invalid('involvedObject.namespace', about, 'does not match event.namespace')]
}

function newEventErrors(event: NewEvent): FieldError[] {
  const component = event.reportingComponent ?? ''
  const errors = (event.involvedObject.namespace ?? '') === '' ? namespaceErrors(event, ['default', 'kube-system']) : []
  if (component === '') errors.push(required('reportingComponent'))
  errors.push(...eachInvalid('reportingComponent', component, qualifiedName(component)))
  for (const key of ['reportingInstance', 'action', 'reason'] as const) {
    const value = event[key] ?? ''
    if (value === '') errors.push(required(key))
    else if (byteLength(value) > longest) errors.push(invalid(key, '', `can have at most ${longest} characters`))
  }
  if (byteLength(event.message ?? '') > longestMessage) {
    errors.push(invalid('message', '', `can have at most ${longestMessage} characters`))
  }
  return errors
}
