/**
 * `npm run docs`: writes docs/reference/ and the generated files of charts/ from the code. `--check` only compares (the test does that) and names what is stale.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { referencePages } from './reference/pages.ts'
import { projectRoot } from './source-files.ts'

process.exitCode = await main(process.argv.includes('--check'))

async function main(check: boolean): Promise<number> {
  const stale: string[] = []
  for (const [file, text] of await referencePages()) {
    const path = join(projectRoot, file)
    if (current(path) === text) continue
    stale.push(file)
    if (check) continue
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, text)
  }
  console.log(
    stale.length === 0
      ? 'docs/reference and charts are up to date'
      : `${check ? 'stale' : 'written'}: ${stale.join(', ')}`,
  )
  return check && stale.length > 0 ? 1 : 0
}

function current(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}
