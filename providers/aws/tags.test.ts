/** Tags that people ask for: within AWS's limits, and what is taken off again is theirs alone. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Owner } from '../contract.ts'
import { parseParameters } from './parameters.ts'
import { refine } from './refine.ts'
import { aws } from './resources.ts'
import type { SecurityGroupResource, Tags } from './resources.ts'
import { ownerTags, tagChanges } from './tags.ts'

const owner: Owner = { cluster: 'c1', namespace: 'shop', name: 'web', uid: 'u1' }
const tagsPerResource = 50
const most = 38
const numbered = (prefix: string, count: number): Tags =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`${prefix}${index}`, 'x']))

function group(extra: Tags, others: Tags = {}): SecurityGroupResource {
  return {
    kind: 'security-group',
    key: 'security-group',
    owner,
    needs: [],
    immutable: { name: 'rs-shop-web-1' },
    mutable: { rules: [], tags: { ...others, ...ownerTags(owner, 'security-group', { extra }) } },
    id: 'sg-1',
    state: 'ready',
  }
}

/** The tags after each call. */
function walk(from: SecurityGroupResource, to: SecurityGroupResource): Tags[] {
  return refine([{ verb: 'update', resource: to, from }], 45).flatMap(({ resource }) => {
    const one = aws(resource)
    return one.kind === 'security-group' ? [one.mutable.tags] : []
  })
}

describe('tags that were asked for', () => {
  test('a key with blanks is taken off whole; tags of others that have its words as keys stay', () => {
    const seen = {
      ...ownerTags(owner, 'security-group', { extra: { 'cost center': '7' } }),
      cost: 'theirs',
      center: 'theirs',
    }
    const { remove } = tagChanges(ownerTags(owner, 'security-group'), seen)
    assert.deepEqual(
      remove.filter((key) => !key.startsWith('roadstead.dev/')),
      ['cost center'],
    )
  })

  test('as many as are allowed, with the longest keys: every tag fits what AWS takes', () => {
    const extra = numbered('k'.repeat(126), most)
    const tags = ownerTags(owner, 'load-balancer', { extra, attributes: {}, early: true, capacityUnits: 5 })
    assert.ok(Object.keys(tags).length <= tagsPerResource)
    for (const [key, value] of Object.entries(tags)) {
      assert.ok(key.length <= 128 && value.length <= 256, `${key}: ${value.length} characters`)
      assert.match(value, /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u)
    }
  })

  test('all of them are exchanged for others: at no moment more than AWS allows, and the tags of others stay', () => {
    const from = group(numbered('old', most), { theirs: 'x' })
    const to = group(numbered('new', most))
    const states = walk(from, to)
    for (const tags of states)
      assert.ok(Object.keys(tags).length <= tagsPerResource, `${Object.keys(tags).length} tags`)
    assert.deepEqual(states.at(-1), { theirs: 'x', ...to.mutable.tags })
  })

  test('too many, and the same key twice, are refused by name', () => {
    const wish = (count: number) =>
      Object.keys(numbered('k', count))
        .map((key) => `${key}=v`)
        .join()
    assert.equal(parseParameters({ tags: wish(most) }).ok, true)
    for (const tags of [wish(most + 1), 'team=a,team=b']) {
      const parsed = parseParameters({ tags })
      assert.ok(!parsed.ok && parsed.reasons[0]?.message.includes('parameter tags'))
    }
  })
})
