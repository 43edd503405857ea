import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { UsageError } from '../kube/flags.ts'
import { readManifests } from './manifests.ts'

const refused = (text: string, message: RegExp) =>
  assert.throws(
    () => readManifests(text, 'my.yaml'),
    (error) => error instanceof UsageError && message.test(error.message),
  )

describe('manifests', () => {
  test('several documents and lists become objects in order', () => {
    const text =
      'apiVersion: v1\nkind: Service\nmetadata: {name: a}\n---\napiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: b}}\n'
    assert.deepEqual(
      readManifests(text, 'my.yaml').map((object) => object.metadata.name),
      ['a', 'b'],
    )
  })

  test('the sample is well formed', () => {
    const sample = readFileSync(new URL('./samples/web.yaml', import.meta.url), 'utf8')
    assert.deepEqual(
      readManifests(sample, 'web.yaml').map((object) => object.kind),
      ['Deployment', 'Service'],
    )
  })

  test('broken YAML is refused with file and document', () => {
    refused('apiVersion: v1\n---\na: [1', /my\.yaml, document (1|2)/)
  })

  test('an object without a name is refused', () => {
    refused('apiVersion: v1\nkind: Pod\nmetadata: {}', /document 1: metadata\.name is missing/)
  })

  test('a document that is no object is refused', () => refused('- 1', /is no object/))
  test('an empty file is refused', () => refused('# nothing\n', /holds no object/))
})
