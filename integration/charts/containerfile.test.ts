/**
 * The Containerfile without building it: everything the command-line tool can reach is copied, its packages are no development
 * dependencies, and the entry point and user are those the chart counts on.
 */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { projectRoot } from '../../scripts/source-files.ts'

const read = (file: string) => readFileSync(join(projectRoot, file), 'utf8')
const lines = read('Containerfile').split('\n')
const manifest = JSON.parse(read('package.json')) as { dependencies: Record<string, string> }
const copied = lines.flatMap((line) => /^COPY (?!--from)(.+) \S+$/.exec(line)?.[1]?.split(' ') ?? [])
const specifier = /(?:\bfrom|^import|\bimport\(|new URL\()\s*'([^'\n]+)'/gm

/** Every file and package that `start` reaches by static and dynamic imports and by URLs of files. */
function reach(start: string): { files: Set<string>; packages: Set<string> } {
  const files = new Set<string>()
  const packages = new Set<string>()
  const waiting = [start]
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    if (files.has(file) || !existsSync(join(projectRoot, file))) continue
    files.add(file)
    if (!file.endsWith('.ts')) continue
    const text = read(file)
      .replace(/\/\*[\s\S]*?\*\//g, '')
      .replace(/^\s*\/\/.*$/gm, '')
    for (const [statement, name = ''] of text.matchAll(specifier)) {
      if (name.startsWith('.')) waiting.push(normalize(join(dirname(file), name)))
      else if (!name.startsWith('node:') && !statement.includes('URL') && !typeOnly(text, name))
        packages.add(packageOf(name))
    }
  }
  return { files, packages }
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/')
}

/** Types are taken out before the code runs. */
function typeOnly(text: string, name: string): boolean {
  const imports = [...text.matchAll(/^import (type )?[^;]*?from '([^']+)'/gm)].filter(([, , from]) => from === name)
  return imports.length > 0 && imports.every(([, type]) => type !== undefined)
}

const { files, packages } = reach('cli/main.ts')
for (const file of reach('cli/compile-main.ts').files) files.add(file)

describe('the image', () => {
  test('holds every file the command-line tool can reach', () => {
    assert.ok(files.size > 100, `${files.size} files found`)
    const outside = [...files].filter(
      (file) => !copied.some((folder) => file === folder || file.startsWith(`${folder}/`)),
    )
    assert.deepEqual(outside, [])
  })

  test('needs no package that npm ci --omit=dev leaves out', () => {
    assert.ok(packages.has('pino') && packages.has('zod'), [...packages].join(' '))
    assert.deepEqual(
      [...packages].filter((name) => !(name in manifest.dependencies)),
      [],
    )
    assert.ok(lines.some((line) => line.startsWith('RUN npm ci --omit=dev --ignore-scripts')))
  })

  test('holds its compiled code, made by the user and with the flags that it runs with', () => {
    const words = (instruction: string) =>
      lines
        .filter((line) => line.startsWith(`${instruction} [`))
        .map((line) => JSON.parse(line.slice(instruction.length)) as string[])
    const flags = (line: string[] = []) => line.filter((word) => word.startsWith('--') && word !== '--help')
    const made = lines.flatMap((line, index) => (line.startsWith('RUN ["node"') ? [index] : []))
    const scripts = ['/roadstead/cli/compile-main.ts', '/roadstead/cli/main.ts']
    // Once for root, the proxy's user on its node, and once for the operator's.
    assert.deepEqual(
      words('RUN').map((line) => line.find((word) => word.endsWith('.ts'))),
      [...scripts, ...scripts],
    )
    for (const line of words('RUN')) assert.deepEqual(flags(line), flags(words('ENTRYPOINT')[0]))
    const user = lines.findIndex((line) => line.startsWith('USER '))
    assert.ok(user > 0)
    assert.deepEqual(
      made.map((index) => index > user),
      [false, false, true, true],
    )
    assert.ok(lines.findIndex((line) => line.startsWith('ENV NODE_COMPILE_CACHE=')) < (made[0] ?? 0))
  })

  test('holds every program the proxy calls, as a package of the base', () => {
    const packageOf: Record<string, string> = {
      nft: 'nftables',
      iptables: 'iptables',
      'iptables-legacy': 'iptables',
      ipvsadm: 'ipvsadm',
      ip: 'iproute2',
      modprobe: 'kmod',
    }
    // Only where netlink cannot be used, which needs no more than the package koffi.
    const instead = 'conntrack'
    const sources = [...files].filter((file) => file.startsWith('proxy/')).map(read)
    const called = new Set(
      sources.flatMap((text) =>
        [
          ...text.matchAll(/\b(?:run|start)\(\s*'([\w-]+)'/g),
          ...text.matchAll(/nftProgram\(program = '(\w+)'\)/g),
          ...text.matchAll(/\bof \['(iptables-legacy)', '(iptables)'\]/g),
        ].flatMap(([, ...names]) => names),
      ),
    )
    assert.ok(called.delete(instead) && packages.has('koffi'))
    assert.deepEqual([...called].sort(), Object.keys(packageOf).sort())
    const installed = /apt-get install --yes --no-install-recommends ([a-z0-9 -]+?) \\$/m.exec(lines.join('\n'))?.[1]
    assert.deepEqual(installed?.split(' ').sort(), [...new Set(Object.values(packageOf))].sort())
    const last = lines.findLastIndex((line) => line.startsWith('FROM '))
    assert.ok(lines.findIndex((line) => line.startsWith('RUN apt-get')) > last)
  })

  test('sends the builder what it copies and no more', () => {
    const sent = read('.dockerignore')
      .split('\n')
      .flatMap((line) => /^!(.+)$/.exec(line)?.[1] ?? [])
    assert.deepEqual(new Set(sent), new Set(copied))
  })

  test('stands on Node 24 by an argument, and runs as the user of the chart', () => {
    assert.ok(lines.includes('ARG NODE_IMAGE=node:24-trixie-slim'))
    assert.equal(lines.filter((line) => line.startsWith('FROM ${NODE_IMAGE}')).length, 2)
    const values = parse(read('charts/roadstead/values.yaml')) as {
      podSecurityContext: { runAsUser: number; runAsGroup: number }
    }
    const { runAsUser, runAsGroup } = values.podSecurityContext
    assert.ok(lines.includes(`USER ${runAsUser}:${runAsGroup}`))
    assert.match(lines.find((line) => line.startsWith('ENTRYPOINT')) ?? '', /"node".*"\/roadstead\/cli\/main\.ts"/)
  })
})
