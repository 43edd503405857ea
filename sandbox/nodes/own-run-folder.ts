/** Where this user's sandboxes keep their files, the same inside and outside a user namespace. */
import { tmpdir } from 'node:os'
import { runFolder } from './instance.ts'
import { realUid } from './userns.ts'

/** Run folder of one instance; its parent holds all of them. */
export function ownRunFolder(instance: string): string {
  return runFolder(tmpdir(), realUid(process.getuid?.() ?? 0), instance)
}
