/** The page of the proxy's behaviours, held to the tests that it names. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { behaviours } from '../../integration/proxy/behaviours.ts'
import { modeNames } from '../../proxy/mode-names.ts'
import { projectRoot } from '../source-files.ts'
import type { Summary, TestResult } from '../test-reporter.ts'
import { modeOf, proxyPage, recordedIn, recordedOn } from './proxy.ts'
import { hasTitle, testTitles } from './test-titles.ts'

const read = (file: string) => readFileSync(join(projectRoot, file), 'utf8')
const run = (tests: TestResult[]): Summary => ({
  passed: 0,
  failed: 0,
  skipped: [],
  tests,
  machine: 'Linux 6.18.44',
  day: '2026-01-01',
})
const result = (file: string, path: string[], outcome: TestResult['outcome'], reason?: string): TestResult => ({
  file,
  path,
  outcome,
  ...(reason !== undefined && { reason }),
})

describe('what the proxy does', () => {
  test('has an id of its own and a test for each behaviour', () => {
    const ids = behaviours.map(({ id }) => id)
    assert.deepEqual([...new Set(ids)], ids)
    assert.deepEqual(
      ids.filter((id) => !/^[a-z]+(-[a-z]+)*$/.test(id)),
      [],
    )
    assert.deepEqual(
      behaviours.filter(({ shown }) => shown.length === 0).map(({ id }) => id),
      [],
    )
  })

  test('names tests that exist', () => {
    const titles = new Map<string, Set<string>>()
    const titlesOf = (file: string) => {
      const known =
        titles.get(file) ?? (existsSync(join(projectRoot, file)) ? testTitles(read(file)) : new Set<string>())
      titles.set(file, known)
      return known
    }
    const missing = behaviours.flatMap(({ id, shown }) =>
      shown
        .filter(({ file, title }) => !titlesOf(file).has(title))
        .map(({ file, title }) => `${id}: ${file}: ${title}`),
    )
    assert.deepEqual(missing, [])
  })
})

describe('marks', () => {
  // Where modes.ts declares it.
  const file = 'integration/proxy/modes.ts'
  const title = 'an address with ipMode Proxy is not caught; the load balancer gets the packets'
  const markOf = (mode: string, ...tests: TestResult[]) => recordedIn([run(tests)]).marks.get(`ip-mode-proxy ${mode}`)

  test('are those of the mode that the suite names', () => {
    const passed = result(file, ['traffic from outside, mode nftables', title], 'passed')
    const failed = result(file, ['traffic from outside, mode iptables', title], 'failed')
    assert.deepEqual(markOf('nftables', passed, failed), { sign: 'passed' })
    assert.deepEqual(markOf('iptables', passed, failed), { sign: 'failed' })
    assert.deepEqual(markOf('ipvs', passed, failed), { sign: 'unknown' })
  })

  test('of a test that ran twice are of the later run', () => {
    const path = ['traffic from outside, mode nftables', title]
    assert.deepEqual(markOf('nftables', result(file, path, 'failed'), result(file, path, 'passed')), { sign: 'passed' })
  })

  test('of a skip have its reason, also when a whole suite was skipped', () => {
    const skipped = result(file, ['traffic from outside, mode ipvs', title], 'skipped', 'needs ip_vs')
    assert.deepEqual(markOf('ipvs', skipped), { sign: 'skipped', reason: 'needs ip_vs' })
    const suite = result('integration/proxy/writers.test.ts', ['both writers'], 'skipped', 'needs nft')
    assert.deepEqual(recordedIn([run([suite])]).marks.get('refused-batch nftables'), {
      sign: 'skipped',
      reason: 'needs nft',
    })
  })

  test('of a virtual machine are found by the name of the test, and count more than what this machine lacks', () => {
    const inside = result(
      'integration/vm/ipvs.soak.ts',
      ['mode ipvs in a kernel that has it', `traffic from outside, mode ipvs > ${title}`],
      'passed',
    )
    const lacking = result(file, ['traffic from outside, mode ipvs', title], 'skipped', 'needs ip_vs')
    assert.deepEqual(markOf('ipvs', lacking, inside), { sign: 'passed' })
  })

  test('of a behaviour that does not depend on the mode count for all, whichever mode was tested', () => {
    const refused = result(
      'integration/proxy/restart.test.ts',
      ['the proxy as a process', 'a second proxy on the node refuses to start in one line'],
      'passed',
    )
    const { marks } = recordedIn([run([refused])])
    for (const mode of modeNames) assert.deepEqual(marks.get(`one-proxy ${mode}`), { sign: 'passed' })
  })

  test('of code that is the same in every mode are the same, unless a test in a mode exists', () => {
    const sysctls = ['settings', "kube-proxy's defaults"]
    const { marks } = recordedIn([run([result('proxy/sysctls.test.ts', sysctls, 'passed')])])
    for (const mode of modeNames) assert.deepEqual(marks.get(`sysctls ${mode}`), { sign: 'passed' })
    const walk = 'for all policies, endpoint states, hints, sources, frontends and families'
    const inMode = ['ClusterIP, mode nftables', 'a Pod reaches all ready endpoints, over IPv4 and IPv6, TCP and UDP']
    const both = recordedIn([
      run([
        result('proxy/rules/packet-walk.test.ts', ['a packet', walk], 'passed'),
        result('integration/proxy/cluster-ip.test.ts', inMode, 'passed'),
      ]),
    ]).marks
    assert.deepEqual(both.get('cluster-ip nftables'), { sign: 'passed' })
    assert.deepEqual(both.get('cluster-ip iptables'), { sign: 'unknown' })
  })

  test('are read from the page as they were written', () => {
    const suites = ['nftables', 'iptables'].map((mode) =>
      result(
        file,
        [`traffic from outside, mode ${mode}`, title],
        mode === 'nftables' ? 'passed' : 'skipped',
        'needs | it',
      ),
    )
    const recorded = recordedIn([run(suites)])
    const again = recordedOn(proxyPage(recorded))
    assert.deepEqual([again.runs, again.marks], [recorded.runs, recorded.marks])
  })
})

test('a mode is found in the suite, else in the folder', () => {
  assert.equal(modeOf(result('integration/proxy/x.test.ts', ['x, mode ipvs', 'y'], 'passed')), 'ipvs')
  assert.equal(modeOf(result('proxy/iptables/x.test.ts', ['x'], 'passed')), 'iptables')
  assert.equal(modeOf(result('proxy/sync.test.ts', ['x'], 'passed')), undefined)
})

test('titles are found however they are quoted', () => {
  const source = `test('a\\'s', () => {})\n  void test("b's", { skip }, work)\n test(\`\${x}: c \${y.z}\`, async () => {})\n attest('d')`
  assert.deepEqual([...testTitles(source)], ["a's", "b's", '*: c *'])
  assert.equal(hasTitle('*: c (*)', 'x: c (y)'), true)
  assert.equal(hasTitle('*: c', 'x: c.'), false)
})
