import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Log } from '../kube/log.ts'
import { parseConfig } from './config/config.ts'
import { applySettings, conntrackSettings, forwardingSettings, oomSetting } from './sysctls.ts'

function conntrack(...argv: string[]) {
  const parsed = parseConfig(argv)
  assert.ok('config' in parsed)
  return conntrackSettings(parsed.config.conntrack, 8).map(({ file, value }) => `${file.split('/').at(-1)} ${value}`)
}

function machine(present: Record<string, string>, refusals: Record<string, string> = {}) {
  const written: string[] = []
  const warnings: { fields: Record<string, unknown>; message: string }[] = []
  const fail = (code: string) => Promise.reject(Object.assign(new Error(`${code}: no`), { code }))
  const log: Log = {
    debug() {},
    info() {},
    error() {},
    warn: (fields, message) => warnings.push({ fields, message }),
  }
  return {
    written,
    warnings,
    log,
    files: {
      read: (file: string) => {
        const value = present[file]
        return value === undefined ? fail('ENOENT') : Promise.resolve(`${value}\n`)
      },
      write(file: string, text: string) {
        const refusal = refusals[file]
        if (refusal !== undefined) return fail(refusal)
        written.push(`${file}=${text}`)
        return Promise.resolve()
      },
    },
  }
}

describe('conntrack settings', () => {
  test("kube-proxy's defaults", () => {
    assert.deepEqual(conntrack(), [
      'nf_conntrack_max 262144',
      'hashsize 65536',
      'nf_conntrack_tcp_timeout_established 86400',
      'nf_conntrack_tcp_timeout_close_wait 3600',
    ])
  })

  test('the least number of connections', () => {
    assert.deepEqual(conntrack('--conntrack-max-per-core=10').slice(0, 2), [
      'nf_conntrack_max 131072',
      'hashsize 32768',
    ])
    assert.deepEqual(conntrack('--conntrack-max-per-core=10', '--conntrack-min=0')[0], 'nf_conntrack_max 80')
  })

  test('0 leaves a value alone', () => {
    assert.deepEqual(
      conntrack(
        '--conntrack-max-per-core=0',
        '--conntrack-tcp-timeout-established=0',
        '--conntrack-tcp-timeout-close-wait=0s',
      ),
      [],
    )
  })

  test('all of them', () => {
    assert.deepEqual(
      conntrack('--conntrack-tcp-be-liberal', '--conntrack-udp-timeout=45s', '--conntrack-udp-timeout-stream=3m').slice(
        4,
      ),
      ['nf_conntrack_udp_timeout 45', 'nf_conntrack_udp_timeout_stream 180', 'nf_conntrack_tcp_be_liberal 1'],
    )
  })
})

describe('settings of the kernel', () => {
  const max = '/proc/sys/net/netfilter/nf_conntrack_max'
  const settings = [
    ...forwardingSettings(new Set(['ip', 'ip6'])),
    { file: max, value: 100, compare: 'at least' } as const,
    { file: '/proc/sys/timeout', value: 10, compare: 'exactly' } as const,
  ]

  test('limits are only raised, others are set, what is right is not written', async () => {
    const { files, log, written } = machine({
      '/proc/sys/net/ipv4/ip_forward': '1',
      '/proc/sys/net/ipv6/conf/all/forwarding': '0',
      [max]: '101',
      '/proc/sys/timeout': '11',
    })
    assert.deepEqual(await applySettings(settings, log, files), [])
    assert.deepEqual(written, ['/proc/sys/net/ipv6/conf/all/forwarding=1', '/proc/sys/timeout=10'])
  })

  test('what cannot be set is said with what to do, and does not stop the others', async () => {
    const { files, log, written, warnings } = machine(
      { '/proc/sys/net/ipv4/ip_forward': '0', [max]: '50', '/proc/sys/timeout': '11' },
      { '/proc/sys/net/ipv4/ip_forward': 'EROFS', [max]: 'EACCES' },
    )
    const failed = await applySettings(settings, log, files)
    assert.equal(failed.length, 3)
    assert.deepEqual(written, ['/proc/sys/timeout=10'])
    assert.match(String(warnings[0]?.fields['reason']), /read only in this container: run --init-only/)
    assert.match(String(warnings[1]?.fields['reason']), /the kernel does not have it here/)
    assert.match(String(warnings[2]?.fields['reason']), /no right to: run --init-only/)
  })

  test('the score for the search for memory', () => {
    assert.deepEqual(oomSetting(-999), { file: '/proc/self/oom_score_adj', value: -999, compare: 'exactly' })
  })
})
