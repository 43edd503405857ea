/**
 * Makes the kernel of the namespace this process lives in do what the rules say: nft for the tables, ip for the routes of
 * passthrough. One change at a time; after a failure the next one loads everything again. Nothing else touches the kernel.
 */
import { spawn } from 'node:child_process'
import { changeText, wholeText } from './changes.ts'
import type { Ruleset } from './rules.ts'
import { nodeMask } from './rules.ts'

export interface Route {
  id: number
  family: 'IPv4' | 'IPv6'
  /** The node; on a network of ours. */
  address: string
}

export interface DataPlane {
  /** Rejects with the tool's own words; the kernel then still does what it did before. */
  apply(rulesets: readonly Ruleset[], routes: readonly Route[]): Promise<void>
  /** Removes the tables and routes. */
  clear(): Promise<void>
}

/** Runs a command with this text on stdin, gives its stdout, rejects with its stderr. */
export type Run = (argv: readonly string[], input: string) => Promise<string>

/** Priority of our routing rules, and the first number of our routing tables. */
const rulePriority = 22_000
const firstTable = 22_000

export function createDataPlane(run: Run, table: string): DataPlane {
  let applied: readonly Ruleset[] | undefined
  let routed: readonly Route[] | undefined
  return {
    async apply(rulesets, routes) {
      // Routes first: a mark without its route would send the packet to nowhere.
      await applyRoutes(routes)
      const before = applied
      applied = undefined
      await applyRules(before, rulesets)
      applied = rulesets
    },
    async clear() {
      applied = undefined
      await run(
        ['nft', '-f', '-'],
        `add table ip ${table}\ndelete table ip ${table}\nadd table ip6 ${table}\ndelete table ip6 ${table}\n`,
      )
      await applyRoutes([])
    },
  }

  async function applyRules(before: readonly Ruleset[] | undefined, after: readonly Ruleset[]): Promise<void> {
    if (before) {
      const text = after.map((rules, index) => changeText(before[index] ?? rules, rules, table)).join('')
      if (text !== '') await run(['nft', '-f', '-'], text)
      return
    }
    try {
      await run(['nft', '-f', '-'], after.map((rules) => wholeText(rules, table)).join(''))
    } catch {
      // A table of another version: its sets have other types.
      await run(['nft', '-f', '-'], after.map((rules) => wholeText(rules, table, true)).join(''))
    }
  }

  async function applyRoutes(wanted: readonly Route[]): Promise<void> {
    const present = routed ?? (await listRoutes(run))
    routed = undefined
    for (const family of ['IPv4', 'IPv6'] as const) {
      const text = routeLines(
        present.filter((route) => route.family === family),
        wanted.filter((route) => route.family === family),
      )
      if (text !== '') await run(['ip', family === 'IPv4' ? '-4' : '-6', '-batch', '-'], text)
    }
    routed = wanted
  }
}

/** New routes before the rules that lead to them; rules that go before their routes. */
export function routeLines(present: readonly Route[], wanted: readonly Route[]): string {
  const known = new Map(present.map((route) => [route.id, route]))
  const needed = new Set(wanted.map(({ id }) => id))
  const rule = ({ id }: Route) =>
    `fwmark ${id}/0x${nodeMask.toString(16)} lookup ${firstTable + id} priority ${rulePriority}`
  const lines = [
    ...wanted
      .filter(({ id, address }) => known.get(id)?.address !== address)
      .map(({ id, address }) => `route replace default via ${address} table ${firstTable + id}`),
    ...wanted.filter(({ id }) => !known.has(id)).map((route) => `rule add ${rule(route)}`),
    ...present
      .filter(({ id }) => !needed.has(id))
      .flatMap((route) => [`rule del ${rule(route)}`, `route flush table ${firstTable + route.id}`]),
  ]
  return lines.map((line) => `${line}\n`).join('')
}

/** Our rules of an earlier process. Their addresses are unknown, so the routes are written again. */
async function listRoutes(run: Run): Promise<Route[]> {
  const found: Route[] = []
  for (const family of ['IPv4', 'IPv6'] as const) {
    const text = await run(
      ['ip', family === 'IPv4' ? '-4' : '-6', 'rule', 'show', 'priority', String(rulePriority)],
      '',
    )
    for (const match of text.matchAll(/fwmark (0x[0-9a-f]+)\/0xffff/g)) {
      found.push({ id: Number(match[1]), family, address: '' })
    }
  }
  return found
}

/** nft needs seconds for the largest rulesets; more means that it hangs. */
const commandLimitMs = 60_000

const packageOf: Readonly<Record<string, string>> = { nft: 'nftables', ip: 'iproute2' }

/** The only place that starts processes. */
export const runCommand: Run = (argv, input) =>
  new Promise((resolve, reject) => {
    const [file = '', ...args] = argv
    const child = spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    // Not spawn's own timeout: when the file is missing, its timer keeps the process alive until the end.
    const limit = setTimeout(() => child.kill('SIGKILL'), commandLimitMs)
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.on('error', (cause) => {
      clearTimeout(limit)
      const missing = 'code' in cause && cause.code === 'ENOENT' ? `; install ${packageOf[file] ?? file}` : ''
      reject(new Error(`${file} cannot be started: ${cause.message}${missing}`, { cause }))
    })
    child.on('close', (code, signal) => {
      clearTimeout(limit)
      if (code === 0) return resolve(Buffer.concat(out).toString())
      const said = Buffer.concat(err).toString().trim().slice(0, 2000)
      reject(new Error(`${argv.join(' ')}: ${said || `ended by ${signal ?? `exit code ${code}`}`}`))
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  })
