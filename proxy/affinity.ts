/**
 * Which remembered clients must be forgotten: those kept at an endpoint that their frontend does not send them to any more.
 * The kernel looks at its memory before it picks an endpoint, so an entry that is not taken out leads to a dead address. Pure.
 */
import type { Family } from './addresses.ts'
import { type ElementSet, elementId } from './elements.ts'
import type { AffinityEntry } from './writer.ts'

/** @param isInside whether an address is a Pod's or this node's own: policy Local does not apply to those */
export function staleEntries(
  entries: readonly AffinityEntry[],
  desired: ElementSet,
  isInside: (address: string) => boolean,
): AffinityEntry[] {
  return entries.filter(({ family, key, target }) => {
    const [client = '', ...rest] = key.split(' . ')
    const frontend = rest.join(' . ')
    if (!desired.has(elementId(family, 'learn', frontend))) return true
    const targets =
      !isInside(client) && desired.has(elementId(family, 'svc-local', frontend))
        ? targetsOf(desired, family, frontend, 'svc-local', 'ep-local')
        : targetsOf(desired, family, frontend, 'svc', 'ep')
    return !targets.includes(target)
  })
}

function targetsOf(
  desired: ElementSet,
  family: Family,
  frontend: string,
  verdicts: 'svc' | 'svc-local',
  endpoints: 'ep' | 'ep-local',
): string[] {
  const [, count] = /^goto [nl](\d+)$/.exec(desired.get(elementId(family, verdicts, frontend)) ?? '') ?? []
  return Array.from(
    { length: Number(count ?? 0) },
    (_, slot) => desired.get(elementId(family, endpoints, `${frontend} . ${slot}`)) ?? '',
  )
}
