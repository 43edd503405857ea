/**
 * The state on disk, so that a restarted process keeps addresses, node ids, verdicts and what drains. Written beside and renamed: the file
 * is whole or old, never half.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { z } from 'zod'
import { cloudRequest } from '../wire.ts'
import type { BalancerState } from './model.ts'
import { emptyState } from './model.ts'

const version = 1

/** Deep enough to refuse a file that is not ours; what is inside was written by this program. */
const saved = z.object({
  version: z.literal(version),
  state: z.object({
    loadBalancers: z.record(z.string(), z.looseObject({ request: cloudRequest, addresses: z.array(z.string()) })),
    targetGroups: z.record(z.string(), z.looseObject({ request: cloudRequest, targets: z.array(z.unknown()) })),
    listeners: z.record(z.string(), z.looseObject({ request: cloudRequest })),
    retired: z.array(z.unknown()),
    nodeIds: z.record(z.string(), z.int()),
  }),
})

/** Throws with one line that names the file when it cannot be read or is no state of ours. */
export async function loadState(path: string): Promise<BalancerState> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return emptyState
    throw error
  }
  try {
    const content: unknown = JSON.parse(text)
    saved.parse(content)
    return (content as { state: BalancerState }).state
  } catch (cause) {
    throw new Error(`${path} is not a state file of this version; move it away to start empty`, { cause })
  }
}

export async function saveState(path: string, state: BalancerState): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const draft = `${path}.new`
  await writeFile(draft, `${JSON.stringify({ version, state })}\n`, { mode: 0o600 })
  await rename(draft, path)
}
