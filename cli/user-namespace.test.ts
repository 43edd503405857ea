import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { roadsteadCommand } from './user-namespace.ts'

test("processes of the sandbox run with the flags of Node that the command's script gives", () => {
  const script = readFileSync(new URL('../roadstead', import.meta.url), 'utf8')
  const given = /^exec "\$node" (.*) "\$here\/cli\/main\.ts"/m.exec(script)?.[1]?.split(' ')
  assert.deepEqual(roadsteadCommand.slice(1, -1), given)
})
