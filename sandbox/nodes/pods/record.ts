/** Which namespace and files a running Pod has, kept in the run folder so that `roadstead sandbox exec` finds it from another process. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FileBinds } from '../netns.ts'

export interface PodRecord {
  netns: string
  binds: FileBinds
  hostname: string
}

/** undefined removes it. */
export function writePodRecord(
  runFolder: string,
  pod: { namespace: string; name: string; uid: string },
  record: PodRecord | undefined,
): void {
  const folder = join(runFolder, 'pods')
  const file = join(folder, `${pod.namespace}_${pod.name}_${pod.uid}.json`)
  if (record === undefined) return rmSync(file, { force: true })
  mkdirSync(folder, { recursive: true })
  writeFileSync(file, JSON.stringify(record))
}

/** Running Pods of this name; usually one, more while a Pod is replaced by one of the same name. `namespace` undefined: in any. */
export function readPodRecords(runFolder: string, name: string, namespace?: string): PodRecord[] {
  const folder = join(runFolder, 'pods')
  return filesIn(folder).flatMap((file) => {
    const [inNamespace, itsName, rest] = file.split('_')
    if (itsName !== name || !rest?.endsWith('.json') || (namespace !== undefined && inNamespace !== namespace))
      return []
    try {
      // Written by writePodRecord only; the folder is ours and private.
      return [JSON.parse(readFileSync(join(folder, file), 'utf8')) as PodRecord]
    } catch {
      return [] // being written or removed
    }
  })
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}
