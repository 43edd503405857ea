import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { servicesIn } from './manifests.ts'

const service = (name: string) =>
  `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\nspec:\n  type: LoadBalancer\n`
const places = (text: string) => servicesIn(text, 'a.yaml').map(({ at }) => `${at.namespace}/${at.name} ${at.line}`)

describe('manifests', () => {
  test('Services of a stream with their lines; other kinds are passed over', () => {
    const text = `# a comment\n---\n${service('one')}---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n---\n${service('two')}`
    assert.deepEqual(places(text), ['default/one 3', 'default/two 14'])
  })

  test('also inside Lists and as JSON', () => {
    const items = [{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'a', namespace: 'x' }, spec: {} }]
    assert.deepEqual(places(JSON.stringify({ apiVersion: 'v1', kind: 'List', items }, null, 1)), ['x/a 5'])
  })

  test('annotations without quotes are read as text', () => {
    const [found] = servicesIn(
      'apiVersion: v1\nkind: Service\nmetadata: {name: a, annotations: {k: true, n: 10}}\n',
      'f',
    )
    assert.deepEqual(found?.service.metadata.annotations, { k: 'true', n: '10' })
  })

  test('broken YAML is told with file and line', () => {
    assert.throws(() => servicesIn(`${service('one')}---\na: [\n`, 'b.yaml'), /^SyntaxError: b\.yaml:\d+: /)
  })
})
