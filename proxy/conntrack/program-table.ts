/**
 * Flows through the `conntrack` program, where netlink cannot be used: one process that lists, and one for each pair of a frontend and a
 * stale target, however many flows that pair has. Lines are as conntrack-tools 1.4 print them.
 */
import type { Family } from '../rules/addresses.ts'
import { ProgramMissing, type Run } from '../program.ts'
import { type Flow, FlowFailure, type FlowProtocol, type FlowQuery, type FlowTable } from './flow.ts'

export interface ProgramTableOptions {
  run: Run
  /** Lets others run. */
  turn: () => Promise<void>
}

const program = 'conntrack'
const familyNames: Readonly<Record<Family, string>> = { ip: 'ipv4', ip6: 'ipv6' }
const linesPerTurn = 500

export function programTable({ run, turn }: ProgramTableOptions): FlowTable {
  const conntrack = async (args: readonly string[]) => {
    try {
      return await run(program, args)
    } catch (cause) {
      if (!(cause instanceof ProgramMissing)) throw cause
      throw new FlowFailure(cause.message, { cause })
    }
  }
  return {
    name: program,
    async count() {
      const { stdout, stderr, code } = await conntrack(['-C'])
      const flows = Number(stdout.trim() || Number.NaN)
      if (Number.isNaN(flows)) throw new FlowFailure(`conntrack -C: ${stderr || `exit code ${code}`}`)
      return flows
    },
    async sweep(query, isStale) {
      const { code, stdout, stderr } = await conntrack(['-L', ...matching(query)])
      if (code !== 0) throw new FlowFailure(`conntrack -L: ${stderr || `exit code ${code}`}`)
      const stale = new Map<string, Flow>()
      let seen = 0
      for (const line of stdout.split('\n')) {
        const flow = readLine(query.family, line)
        if (flow === undefined) continue
        if (++seen % linesPerTurn === 0) await turn()
        if (isStale(flow)) stale.set(`${flow.frontend} ${flow.target}`, flow)
      }
      let removed = 0
      for (const flow of stale.values()) {
        const ended = await conntrack(['-D', ...deletion(query.family, flow)])
        const [, count] = /(\d+) flow entries have been deleted/.exec(ended.stderr) ?? []
        // Exit code 1 is also that of "0 flow entries".
        if (count === undefined) throw new FlowFailure(`conntrack -D: ${ended.stderr || `exit code ${ended.code}`}`)
        removed += Number(count)
      }
      return { seen, removed }
    },
  }
}

function matching({ family, protocol, destination }: FlowQuery): string[] {
  const all = ['-f', familyNames[family], '-p', protocol]
  return destination === undefined ? all : [...all, ...to(destination.address, `${destination.port}`)]
}

function to(address: string, port: string): string[] {
  return ['--orig-dst', address, '--orig-port-dst', port]
}

function deletion(family: Family, { frontend, protocol, target }: Flow): string[] {
  const [, address = '', , , , port = ''] = frontend.split(' ')
  const [ip = '', , targetPort = ''] = target.split(' ')
  const frontendAndTarget = [...to(address, port), '--reply-src', ip, '--reply-port-src', targetPort]
  const attempt = protocol === 'tcp' ? ['--state', 'SYN_SENT'] : []
  return ['-f', familyNames[family], '-p', protocol, ...frontendAndTarget, ...attempt]
}

const flowLine = new RegExp(
  `^(tcp|udp|sctp)\\s.*?\\bsrc=\\S+ dst=(\\S+) sport=\\d+ dport=(\\d+) .*?(\\[UNREPLIED\\] )?src=(\\S+) dst=\\S+ sport=(\\d+) dport=\\d+`,
)

function readLine(family: Family, line: string): Flow | undefined {
  const [, protocol, to = '', port = '', unreplied, from = '', sourcePort = ''] = flowLine.exec(line) ?? []
  if (protocol === undefined) return undefined
  return {
    frontend: `${family} ${to} . ${protocol} . ${port}`,
    protocol: protocol as FlowProtocol,
    target: `${from} . ${sourcePort}`,
    translated: from !== to || sourcePort !== port,
    replied: unreplied === undefined,
  }
}
