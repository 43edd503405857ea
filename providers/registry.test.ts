import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cloudNames, cloudSettings, createProvider } from './registry.ts'

test('every cloud says what its settings mean', () => {
  for (const name of cloudNames) assert.ok(Object.values(cloudSettings(name) ?? {}).every((text) => text.length > 10))
  assert.equal(cloudSettings('moon'), undefined)
})

test('the local cloud is made from its endpoint', async () => {
  const provider = await createProvider('local', {
    endpoint: 'unix:/run/control.sock',
    pools: '203.0.113.0/24,2001:db8:113::/64',
  })
  assert.equal(provider.name, 'local')
  assert.equal(provider.ownsNode('roadstead-local://sandbox/node-1'), true)
})

const mistakes: Record<string, readonly [name: string, settings: Record<string, string>, words: RegExp]> = {
  'an unknown cloud': ['moon', {}, /unknown cloud "moon"; known: .*local/],
  'an unknown setting': ['local', { endpoint: 'unix:/s', colour: 'blue' }, /no setting "colour"; known: endpoint/],
  'a missing setting': ['local', {}, /needs the setting endpoint: /],
  'a malformed endpoint': ['local', { endpoint: 'ftp://x' }, /endpoint ftp:\/\/x: unix:\/path or http:\/\/host:port/],
}
for (const [mistake, [name, settings, words]] of Object.entries(mistakes)) {
  test(`${mistake} is one line that says what to do`, async () => {
    await assert.rejects(
      createProvider(name, settings),
      (error) => error instanceof RangeError && words.test(error.message),
    )
  })
}
