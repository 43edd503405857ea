/** The project's TypeScript files, relative to its root, with forward slashes. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'

export const projectRoot = join(import.meta.dirname, '..')

const skipped = new Set(['node_modules', 'dist', '.git', '.cache', '.venv', 'tmp'])

export function sourceFiles(folder = '', ending = '.ts'): string[] {
  return readdirSync(join(projectRoot, folder), { withFileTypes: true })
    .filter((entry) => !skipped.has(entry.name))
    .flatMap((entry) => {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`
      if (entry.isDirectory()) return sourceFiles(path, ending)
      return entry.name.endsWith(ending) && !entry.name.endsWith('.d.ts') ? [path] : []
    })
    .sort()
}
