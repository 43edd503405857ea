/** Reads configuration files. The YAML parser is loaded only where there is one. */
import { readFile } from 'node:fs/promises'
import { UsageError } from '../../kube/flags.ts'
import type { GivenFile } from './config.ts'

/** Throws UsageError with the file's name. */
export async function readGivenFile(path: string): Promise<GivenFile> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    throw new UsageError(`--config: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  return { path, text, document: await parseYaml(path, text) }
}

async function parseYaml(path: string, text: string): Promise<unknown> {
  const { parse } = await import('yaml')
  try {
    return parse(text)
  } catch (cause) {
    const [line = ''] = (cause instanceof Error ? cause.message : String(cause)).split('\n')
    throw new UsageError(`${path}: ${line}`, { cause })
  }
}
