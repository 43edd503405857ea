/** What the provider needs of the local cloud: four verbs. Behind it stand http.ts (the real one) and fake.ts. All throw CloudError. */
import type { CloudKind, CloudObject, CloudRequest, Tags } from './wire.ts'

export interface LocalCloud {
  /** Every object that carries all these tags. */
  list(tags: Partial<Tags>, signal: AbortSignal): Promise<CloudObject[]>
  create(request: CloudRequest, signal: AbortSignal): Promise<void>
  update(request: CloudRequest, signal: AbortSignal): Promise<void>
  remove(kind: CloudKind, name: string, tags: Tags, signal: AbortSignal): Promise<void>
}
