import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { UsageError } from '../kube/flags.ts'
import { operatorFlags } from './flags.ts'

describe('flags of the operator', () => {
  test('clouds with settings', () => {
    const { providers, config } = operatorFlags([
      '--provider=local=pools=203.0.113.0/24',
      '--local-endpoint=unix:/run/lb.sock',
      '--drift-interval=90s',
    ])
    assert.deepEqual(providers, [
      { name: 'local', settings: { pools: '203.0.113.0/24', endpoint: 'unix:/run/lb.sock' } },
    ])
    assert.equal(config.driftIntervalMs, 90_000)
  })

  const wrong: [string[], RegExp][] = [
    [[], /name at least one cloud with --provider/],
    [['--provider=local', '--provider=local'], /--provider local is given twice/],
    [['--provider==x'], /must begin with the name of a cloud/],
    [['--provider=local=endpoint'], /"endpoint" is not KEY=VALUE/],
    [['--provider=local', '--cluster-id=Big One'], /--cluster-id Big One is no DNS label/],
    [['--provider=local', '--node-window=soon'], /--node-window soon is no duration/],
    [['--provider=local', '--concurrency=0'], /--concurrency 0 must be a whole number/],
    [['--provider=local', '--metrics-bind-address=nowhere'], /must be HOST:PORT/],
    [['--provider=local', '--service-node-port-range=9-1'], /must be FROM-TO/],
    [['--provider=local', '--leader-elect=maybe'], /must be true or false/],
    [['--provider=local', '--leader-elect-lease-duration=5s'], /must be longer than --leader-elect-renew-deadline/],
    [['--frob'], /Unknown option/],
  ]
  for (const [argv, message] of wrong) {
    test(`${argv.join(' ') || 'nothing'} is refused`, () => {
      assert.throws(
        () => operatorFlags(argv),
        (error) => error instanceof UsageError && message.test(error.message) && !error.message.includes('\n'),
      )
    })
  }
})
