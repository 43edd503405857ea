import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { dirname, join, normalize, sep } from 'node:path'
import { describe, test } from 'node:test'
import { doors, lintOverrides, mayImport, pureNames, roomOf } from './import-table.ts'
import { projectRoot, sourceFiles } from './source-files.ts'

const specifier = /(?:\bfrom|^import|\bimport\()\s*'([^'\n]+)'/gm

function imports(file: string): string[] {
  const text = withoutComments(readFileSync(join(projectRoot, file), 'utf8'))
  return [...text.matchAll(specifier)].map((match) => match[1] ?? '')
}

const isLocal = (name: string) => name.startsWith('.')
const target = (file: string, name: string) =>
  normalize(join(dirname(file), name))
    .split(sep)
    .join('/')

describe('import table', () => {
  test('no file reaches a folder the table forbids', () => {
    const wrong = sourceFiles().flatMap((file) =>
      imports(file)
        .filter(isLocal)
        .map((name) => target(file, name))
        .filter((to) => !mayImport(file, to))
        .map((to) => `${file} -> ${to}`),
    )
    assert.deepEqual(wrong, [])
  })

  test('folders with a package list use no other package', () => {
    const wrong = sourceFiles()
      .filter((file) => !file.endsWith('.test.ts') && doors[file] === undefined)
      .flatMap((file) => {
        const packages = roomOf(file)?.packages
        if (packages === undefined) return []
        return imports(file)
          .filter((name) => !isLocal(name) && !name.startsWith('node:'))
          .filter((name) => !packages.some((allowed) => name === allowed || name.startsWith(`${allowed}/`)))
          .map((name) => `${file} -> ${name}`)
      })
    assert.deepEqual(wrong, [])
  })

  test('the proxy works without koffi: one file loads it, and only when it is called', () => {
    const loading = sourceFiles('proxy').filter((file) => imports(file).includes('koffi'))
    assert.deepEqual(loading, ['proxy/netlink/calls.ts'])
    const text = readFileSync(join(projectRoot, 'proxy/netlink/calls.ts'), 'utf8')
    assert.doesNotMatch(text, /from 'koffi'/)
  })

  test('the table forbids what it says: a reconciler reaching a cloud is refused', () => {
    assert.equal(mayImport('reconcilers/service/desire.ts', 'providers/contract.ts'), true)
    assert.equal(mayImport('reconcilers/service/desire.ts', 'providers/local/lower.ts'), false)
    assert.equal(mayImport('kube/cache.ts', 'providers/contract.ts'), false)
    assert.equal(mayImport('providers/registry.ts', 'providers/local/provider.ts'), true)
  })

  test('the lint configuration carries the same table', () => {
    const config = JSON.parse(readFileSync(join(projectRoot, '.oxlintrc.json'), 'utf8')) as { overrides: unknown[] }
    const missing = lintOverrides().filter(
      (wanted) => !config.overrides.some((entry) => JSON.stringify(entry) === JSON.stringify(wanted)),
    )
    assert.deepEqual(missing, [])
  })

  test('pure files import no node: module, and use no async, clock, random or console', () => {
    const banned = /from 'node:|\basync\b|\bawait\b|Date\.now|new Date\(\)|Math\.random|console\./
    const wrong = sourceFiles()
      .filter((file) => roomOf(file) !== undefined && roomOf(file)?.folder !== 'operator/')
      .filter((file) => pureNames.some((name) => file.endsWith(`/${name}.ts`)))
      .filter((file) => banned.test(withoutComments(readFileSync(join(projectRoot, file), 'utf8'))))
    assert.deepEqual(wrong, [])
  })
})

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
}
