/**
 * The modes that the behaviour tests run in, and the behaviour that a mode cannot have. A test of such a behaviour is skipped with that
 * reason, and docs/reference/proxy.md, which is generated from the same tests, gives it.
 */
import { existsSync } from 'node:fs'
import { describe, test, type TestContext } from 'node:test'
import type { ModeName } from '../../proxy/mode-names.ts'
import { type Requirement, requires } from '../../scripts/requires.ts'

export interface TestedMode {
  readonly name: ModeName
  readonly flags: readonly string[]
  readonly needs: readonly Requirement[]
  /** A command on the node that shows the mode's rules, and what it prints then and only then. */
  readonly listing: readonly string[]
  readonly trace: string
}

const allModes: readonly TestedMode[] = [
  {
    name: 'nftables',
    flags: ['--proxy-mode=nftables'],
    needs: ['nft'],
    listing: ['nft', 'list', 'tables'],
    trace: 'table ip roadstead\n',
  },
  {
    name: 'iptables',
    flags: ['--proxy-mode=iptables'],
    needs: ['iptables'],
    listing: ['iptables-legacy-save'],
    trace: 'ROADSTEAD',
  },
  {
    name: 'ipvs',
    flags: ['--proxy-mode=ipvs'],
    needs: ['nft', 'ipvsadm'],
    listing: ['ip', '-oneline', 'link'],
    trace: 'roadstead-ipvs0',
  },
]

/** Those that ROADSTEAD_MODES names, else all; ipvs where the kernel has it (integration/vm runs it in a kernel of its own). */
const chosen = process.env['ROADSTEAD_MODES']?.split(',') ?? [
  'nftables',
  'iptables',
  ...(existsSync('/proc/net/ip_vs') ? ['ipvs'] : []),
]

export const testedModes = allModes.filter((mode) => chosen.includes(mode.name))

/** Title of a test to modes and reasons. */
export const gaps: Readonly<Record<string, Partial<Record<ModeName, string>>>> = {
  'the memory ends after its time without connections': {
    ipvs: 'IPVS counts from the end of the last connection as it sees it, two minutes after its FIN',
  },
  'a client keeps its endpoint across the addresses of a Service port': {
    ipvs: 'IPVS remembers a client for each virtual server, which is one address and port',
  },
  'stay where they are while their endpoint serves: leaving, out of policy, and among new ones': {
    ipvs: 'IPVS sends the datagrams of a client on to a target as long as it is there at all: one that leaves goes at once, with its flows',
  },
  'a ClusterIP that something on the node answers untracked (NodeLocal DNSCache) is left to it': {
    ipvs: 'IPVS takes packets whether they are tracked or not: there the cache has an address of its own',
  },
}

/** Like node:test's, of which this is all that the behaviour tests use. */
export type ModeTest = (title: string, body: (t: TestContext) => Promise<void>) => void

/** The same tests in every mode. `body` makes its own world and starts its proxies with `mode.flags`. */
export function describeEachMode(
  title: string,
  body: (mode: TestedMode, test: ModeTest) => void,
  modes: readonly TestedMode[] = testedModes,
): void {
  for (const mode of modes) {
    void describe(`${title}, mode ${mode.name}`, {
      skip: requires('root', 'linux', 'ip', 'nsenter', ...mode.needs),
    }, () => {
      body(mode, (behaviour, work) => {
        void test(behaviour, { skip: gaps[behaviour]?.[mode.name] ?? false }, work)
      })
    })
  }
}
