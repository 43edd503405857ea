/** The rules of mode iptables against the programs and the kernel, both flavours, in a private namespace: test, restore, save, change. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { systemClock } from '../../kube/clock.ts'
import { silent } from '../../kube/log.ts'
import { families } from '../../proxy/rules/addresses.ts'
import { difference, type ElementSet } from '../../proxy/rules/elements.ts'
import { familyRules } from '../../proxy/iptables/family-rules.ts'
import { findPrograms, iptables } from '../../proxy/iptables/iptables.ts'
import { parseSaved, replaceText } from '../../proxy/iptables/saved.ts'
import { elementsOf, type NodeSpec, options, randomNode } from '../../proxy/iptables/testing.ts'
import { iptablesWriter } from '../../proxy/iptables/writer.ts'
import { type Run, runProgram } from '../../proxy/program.ts'
import { createNamespaces, deleteNamespaces, runIn } from '../../sandbox/nodes/netns.ts'
import { requires } from '../../scripts/requires.ts'
import { variants } from './samples.ts'

const namespace = 'rs-iptables-rules'
const seeds = [1, 77, 1234, 98_765]

const inNamespace =
  (...before: string[]): Run =>
  async (program, args, input = '') => {
    const { code, stdout, stderr } = await runIn(namespace, [...before, program, ...args], { input })
    return { code: code ?? undefined, stdout, stderr }
  }
const run = inNamespace()

const elements = (spec: NodeSpec): ElementSet => new Map(families.flatMap((family) => [...elementsOf(family, spec)]))
const random = (seed: number) => elements(randomNode(seed, 150))
/** Who is remembered without an endpoint to go to is in no rule. */
const lost = (found: ElementSet | undefined, wanted: ElementSet) => {
  const { remove, add } = difference(found ?? new Map<string, string>(), wanted)
  return [...remove.keys(), ...[...add.keys()].filter((id) => !/ (session|learn) /.test(id))]
}

const found = await findPrograms(runProgram)

describe('rules of iptables in the kernel', { skip: requires('root', 'linux', 'ip', 'nsenter', 'iptables') }, () => {
  before(async () => {
    await deleteNamespaces([namespace])
    await createNamespaces([namespace])
  })
  after(() => deleteNamespaces([namespace]))

  for (const programs of found) {
    const both = families.map((family) => iptables(run, programs, family))
    const writer = (skeleton = options) =>
      iptablesWriter({ programs: both, options: skeleton, clock: systemClock, log: silent })

    for (const [name, skeleton] of Object.entries(variants)) {
      test(`${programs.flavour}, ${name}: passes the test, is written, and read back by another process`, async () => {
        const wanted = random(5)
        for (const program of both) {
          const { chains } = familyRules(program.family, skeleton, wanted)
          assert.equal(await program.test(replaceText(chains, parseSaved(await program.save()))), undefined)
        }
        await writer(skeleton).replace(wanted)
        const isByAddresses = skeleton.local.ip.by === 'addresses'
        assert.deepEqual(
          lost(await writer(skeleton).read(), wanted).filter((id) => isByAddresses || !/ pods /.test(id)),
          [],
        )
        assert.equal(await writer({ ...skeleton, masqueradeBit: 7 }).read(), undefined)
      })
    }

    test(`${programs.flavour}: from any rules to any others by the chains that differ`, async () => {
      const going = writer()
      await going.replace(random(0))
      for (const [index, seed] of seeds.entries()) {
        await going.apply(difference(random(seeds[index - 1] ?? 0), random(seed)))
        assert.equal(await going.intact(), true, `seed ${seed}`)
        assert.deepEqual(lost(await writer().read(), random(seed)), [], `seed ${seed}`)
      }
      await going.remove()
      assert.doesNotMatch((await Promise.all(both.map((program) => program.save()))).join(''), /ROADSTEAD/)
    })

    test(`${programs.flavour}: 1,000 endpoints with and without session affinity`, async () => {
      const many = new Map<string, string>([['ip learn 1:2', 'goto t60']])
      for (const port of [80, 81]) {
        const front = `10.96.0.1 . tcp . ${port}`
        many.set(`ip frontends ${front}`, '').set(`ip svc ${front}`, 'goto n1000')
        for (let slot = 0; slot < 1000; slot++) {
          many.set(`ip ep ${front} . ${slot}`, `10.244.${slot >> 8}.${slot & 255} . 8080`)
        }
      }
      many.set('ip cluster-ips 10.96.0.1', '').set('ip session 10.96.0.1 . tcp . 81', '1:2')
      await writer().replace(many)
      assert.deepEqual(difference((await writer().read()) ?? new Map<string, string>(), many), difference(many, many))
      await writer().remove()
    })

    test(`${programs.flavour}: a text that is refused changes nothing, and it is said what was wrong`, async () => {
      const [program] = both
      await assert.rejects(
        program?.restore('*nat\n:ROADSTEAD-X - [0:0]\n-A ROADSTEAD-X -p tcp -j NO-SUCH-TARGET\nCOMMIT\n') ??
          Promise.resolve(),
        programs.flavour === 'legacy' ? /-A ROADSTEAD-X -p tcp -j NO-SUCH-TARGET/ : /NO-SUCH-TARGET' does not exist/,
      )
      assert.doesNotMatch((await program?.save()) ?? '', /ROADSTEAD/)
    })
  }

  test('another program that holds the lock is waited for', async () => {
    const legacy = found.find(({ flavour }) => flavour === 'legacy')
    assert.ok(legacy)
    const folder = await mkdtemp(join(tmpdir(), 'xtables-'))
    const lock = join(folder, 'lock')
    const holder = spawn('sh', ['-c', `exec 9>${lock} && flock 9 && echo held && sleep 1`])
    await new Promise((resolve) => holder.stdout.once('data', resolve))
    const started = performance.now()
    await iptables(inNamespace('env', `XTABLES_LOCKFILE=${lock}`), legacy, 'ip').restore('*nat\nCOMMIT\n')
    assert.ok(performance.now() - started > 700)
    await rm(folder, { recursive: true })
  })
})

test('the text of mode iptables is the golden one (ROADSTEAD_GOLDEN=write renews it)', async () => {
  const spec: NodeSpec = { frontends: [], pods: 1, serviceCidrs: 1, hairpin: [1], healthPorts: [32_000] }
  const web = { at: 1, protocol: 'tcp', port: 80, endpoints: [1, 2, 5], seconds: undefined, sources: [] } as const
  const frontends: NodeSpec['frontends'] = [
    { ...web, kind: 'cluster-ip', policy: 'Cluster' },
    { ...web, kind: 'load-balancer', policy: 'Local', sources: [1, 3] },
    { ...web, kind: 'node-port', port: 30_080, policy: 'Cluster', endpoints: [1, 5], seconds: 10_800 },
    { ...web, kind: 'cluster-ip', at: 2, policy: 'Local', protocol: 'udp', endpoints: [5] },
    { ...web, kind: 'load-balancer', at: 2, policy: 'Cluster', protocol: 'sctp', endpoints: [] },
  ]
  const text = families
    .map((family) => {
      const { chains } = familyRules(family, options, elementsOf(family, { ...spec, frontends }))
      return `# ${family}\n${replaceText(chains, parseSaved(''))}`
    })
    .join('')
  const file = new URL('golden.iptables', import.meta.url)
  if (process.env['ROADSTEAD_GOLDEN'] === 'write') await writeFile(file, text)
  assert.equal(text, await readFile(file, 'utf8'))
})
