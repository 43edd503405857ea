import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { UsageError } from '../kube/flags.ts'
import { upSettings } from './up-settings.ts'

const refused = (argv: string[], message: RegExp) =>
  assert.throws(
    () => upSettings(argv),
    (error) => error instanceof UsageError && message.test(error.message) && !error.message.includes('\n'),
  )

describe('flags of roadstead up', () => {
  test('without flags: three nodes and the sample', () => {
    const settings = upSettings([])
    assert.ok(settings !== 'help')
    assert.equal(settings.nodes, 3)
    assert.deepEqual(
      settings.manifests.map(({ file }) => file),
      ['sample'],
    )
  })

  test('--publish names a port by number or name, and a namespace if wanted', () => {
    const settings = upSettings(['--publish', '8080=web:80', '--publish=8443=shop/web:https'])
    assert.ok(settings !== 'help')
    assert.deepEqual(settings.publications, [
      { localPort: 8080, namespace: 'default', service: 'web', port: 80 },
      { localPort: 8443, namespace: 'shop', service: 'web', port: 'https' },
    ])
  })

  test('mistakes are one line that names the flag', () => {
    refused(['--nodes', 'many'], /--nodes "many": expected a whole number from 1 to 20/)
    refused(['--nodes=0'], /--nodes/)
    refused(['--publish', '8080:web'], /--publish "8080:web": expected LOCALPORT=SERVICE:PORT/)
    refused(['--publish', '99999=web:80'], /--publish/)
    refused(['--name', 'Not_This'], /--name/)
    refused(['--bogus'], /--bogus/)
    refused(['-f', 'does-not-exist.yaml'], /does-not-exist\.yaml: there is no such file/)
    refused(['stray'], /stray/)
  })
})
