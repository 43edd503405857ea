import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { projectRoot } from './source-files.ts'

const read = (file: string) => readFileSync(join(projectRoot, file), 'utf8')
const manifest = JSON.parse(read('package.json')) as Record<'dependencies' | 'devDependencies', Record<string, string>>
const all = { ...manifest.dependencies, ...manifest.devDependencies }

test('every dependency has a line that says why it is there, and no line is left over', () => {
  const listed = [...read('docs/reference/dependencies.md').matchAll(/^\| ([@a-z][^ ]*) \| \S/gm)].map(
    (match) => match[1],
  )
  assert.deepEqual(new Set(listed.filter((name) => name !== 'package')), new Set(Object.keys(all)))
})

test('every dependency is pinned exactly', () => {
  const loose = Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))
  assert.deepEqual(loose, [])
})
