/**
 * `npm run integration -- NAME [part of a file name ...]`: the integration tests of one folder of integration/, as `npm test` runs them,
 * and its soak tests (`*.soak.ts`), which take minutes and are left out there.
 * For `aws` the variable EMULATOR picks the cloud end: moto (default), localstack, or the URL of one; see localstack/README.md.
 */
import { spawnSync } from 'node:child_process'
import { projectRoot, sourceFiles } from './source-files.ts'

process.exitCode = main(process.argv.slice(2))

function main([name, ...parts]: readonly string[]): number {
  const files = [...sourceFiles('integration', '.test.ts'), ...sourceFiles('integration', '.soak.ts')]
  const names = [...new Set(files.map((file) => file.split('/')[1] ?? ''))].sort()
  if (name === undefined || !names.includes(name)) {
    console.error(`integration: name one of ${names.join(', ')}`)
    return 2
  }
  const folder = `integration/${name}/`
  const chosen = files.filter(
    (file) => file.startsWith(folder) && (parts.length === 0 || parts.some((part) => file.includes(part))),
  )
  if (chosen.length === 0) {
    console.error(`integration: no test file of ${folder} matches ${parts.join(', ')}`)
    return 2
  }
  const { status } = spawnSync(process.execPath, ['scripts/test.ts', '--integration', ...chosen], {
    cwd: projectRoot,
    stdio: 'inherit',
  })
  return status ?? 1
}
