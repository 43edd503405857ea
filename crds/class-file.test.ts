import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseClassFile } from './class-file.ts'

const one = (name: string, spec = '{clouds: [{name: aws}]}') =>
  `---\napiVersion: roadstead.dev/v1alpha1\nkind: LoadBalancerClass\nmetadata: {name: ${name}}\nspec: ${spec}\n`

describe('a file of classes', () => {
  test('a stream of objects; empty documents do not count', () => {
    const parsed = parseClassFile(`\n${one('public')}---\n${one('internal')}`)
    assert.ok(parsed.ok)
    assert.deepEqual(
      parsed.value.map(({ metadata }) => metadata.name),
      ['public', 'internal'],
    )
    assert.deepEqual(parseClassFile(''), { ok: true, value: [] })
  })

  const wrong: [string, string, RegExp][] = [
    ['broken YAML', '{a: [', /^document 1: /],
    ['another kind', 'kind: Service', /^document 1: apiVersion must be/],
    ['a name that is none', one('A_b'), /^document 1: metadata.name/],
    ['a name twice', one('a') + one('a'), /^document 2: class a is there twice$/],
    [
      'a bad spec',
      one('a', '{clouds: [], colour: red}'),
      /^class a: spec.clouds: must name at least one cloud\nclass a: .*colour/,
    ],
  ]
  for (const [what, text, message] of wrong) {
    test(`refuses ${what} and says where`, () => {
      const parsed = parseClassFile(text)
      assert.ok(!parsed.ok)
      assert.match(parsed.mistakes.join('\n'), message)
    })
  }
})
