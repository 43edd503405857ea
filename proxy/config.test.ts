import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { UsageError } from '../kube/flags.ts'
import { type ProxyConfig, parseConfig } from './config.ts'

function config(...argv: string[]): ProxyConfig {
  const parsed = parseConfig(argv)
  assert.equal(parsed.help, false)
  return parsed.config
}

describe('flags', () => {
  test("the defaults are kube-proxy's", () => {
    const usual = config()
    assert.deepEqual(usual.healthz, { host: '0.0.0.0', port: 10_256 })
    assert.deepEqual(usual.metrics, { host: '127.0.0.1', port: 10_249 })
    assert.equal(usual.skeleton.masqueradeBit, 14)
    assert.equal(usual.syncMs, 30_000)
    assert.equal(usual.graceMs, 60_000)
    assert.equal(usual.nodePortAddresses, 'primary')
  })

  test('networks are sorted by family and cleared of host bits', () => {
    const { skeleton } = config('--cluster-cidr=10.244.3.0/16, fd00:244::/48')
    assert.deepEqual(skeleton.clusterCidrs, { ip: ['10.244.0.0/16'], ip6: ['fd00:244::/48'] })
  })

  test('durations as in Go', () => {
    assert.equal(config('--sync-period=1m30s').syncMs, 90_000)
    assert.equal(config('--min-sync-period=0').minSyncMs, 0)
    assert.equal(config('--traffic-policy-grace', '500ms').graceMs, 500)
  })

  test('addresses with and without port', () => {
    assert.deepEqual(config('--healthz-bind-address=[::]:0').healthz, { host: '::', port: 0 })
    assert.deepEqual(config('--healthz-bind-address=10.0.0.1').healthz, { host: '10.0.0.1', port: 10_256 })
  })

  for (const [argv, message] of [
    [['--nonsense'], /--nonsense/],
    [['extra'], /extra/],
    [['--cluster-cidr=10.244.0.0'], /--cluster-cidr: "10.244.0.0" is not a network/],
    [['--cluster-cidr=10.244.0.0/40'], /is not a network/],
    [['--node-ip=node'], /--node-ip: "node" is not an IP address/],
    [['--masquerade-bit=32'], /from 0 to 31/],
    [['--sync-period=30'], /not a duration/],
    [['--sync-period=0s'], /more than 0/],
    [['--healthz-bind-address=:10256'], /not an address and port/],
    [['--healthz-bind-address=1.2.3.4:99999'], /not an address and port/],
    [['--nodeport-addresses=eth0'], /not a network/],
    [['--kubeconfig='], /--kubeconfig needs a value/],
    [['--v=x'], /whole number/],
  ] as const) {
    test(`refused: ${argv.join(' ')}`, () => {
      assert.throws(
        () => parseConfig(argv),
        (error) => error instanceof UsageError && message.test(error.message) && !error.message.includes('\n'),
      )
    })
  }
})
