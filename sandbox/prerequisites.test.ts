import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type MachineFacts, preparation } from './prerequisites.ts'

const machine = (facts: Partial<MachineFacts>): MachineFacts => ({
  platform: 'linux',
  root: true,
  missing: [],
  aptGet: true,
  namespaces: true,
  ...facts,
})

describe('what a machine needs for the sandbox', () => {
  test('root with all tools is ready', () => {
    assert.deepEqual(preparation(machine({})), { kind: 'ready', inUserNamespace: false })
  })

  test('root on Debian installs what is missing', () => {
    assert.deepEqual(preparation(machine({ missing: ['nft', 'ip'], namespaces: false })), {
      kind: 'install',
      packages: ['nftables', 'iproute2'],
    })
  })

  test('root without apt-get is told the packages', () => {
    const answer = preparation(machine({ missing: ['nft'], aptGet: false }))
    assert.equal(answer.kind, 'lacking')
    assert.match(answer.kind === 'lacking' ? answer.message : '', /Missing: nft\. Install the packages nftables\./)
  })

  test('an ordinary user gets a user namespace', () => {
    assert.deepEqual(preparation(machine({ root: false })), { kind: 'ready', inUserNamespace: true })
  })

  test('an ordinary user without nft is told whom to ask', () => {
    const answer = preparation(machine({ root: false, missing: ['nft'] }))
    assert.match(answer.kind === 'lacking' ? answer.message : '', /Ask an administrator.*apt-get install nftables/)
  })

  test('an ordinary user on a kernel without user namespaces is told so, and what still works', () => {
    const answer = preparation(machine({ root: false, namespaces: false }))
    assert.match(answer.kind === 'lacking' ? answer.message : '', /user namespaces.*\n.*still works/)
  })

  test('root in an unprivileged container is told which right is missing', () => {
    const answer = preparation(machine({ namespaces: false }))
    assert.match(answer.kind === 'lacking' ? answer.message : '', /CAP_SYS_ADMIN/)
  })

  test('another system is refused by name', () => {
    const answer = preparation(machine({ platform: 'darwin', missing: ['nft', 'ip'] }))
    assert.match(answer.kind === 'lacking' ? answer.message : '', /needs Linux.*darwin/)
  })
})
