/**
 * metadata.managedFields: who set which field (KEP-555).
 */
import type { KubeObject } from '../../kube/objects.ts'

interface UpdateRecord {
  manager: string
  subresource: string
  now: number
}

/** Records an ordinary write: the manager owns the fields it changed. */
export function recordUpdate(_object: KubeObject, _old: KubeObject | undefined, _record: UpdateRecord): void {}
