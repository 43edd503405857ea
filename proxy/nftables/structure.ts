/**
 * The fixed part of our tables as the kernel holds it: chains and their rules, by name, as fingerprints to compare. It tells whether
 * somebody flushed, added or changed rules, which elements alone do not show. Only read by netlink, never written.
 */
import { hash } from 'node:crypto'
import { type Family, families } from '../rules/addresses.ts'
import { dump, exchange, refusalIn } from '../netlink/exchange.ts'
import { readAttributes, textOf } from '../netlink/messages.ts'
import type { NetlinkSocket } from '../netlink/socket.ts'
import { command, request, tableOf } from './element-messages.ts'
import { tableName } from './skeleton.ts'

interface SeenChain {
  rules: number
  /** Of hook, policy and type, and of all its rules in order. */
  fingerprint: string
}

/** `<family> <chain>` to what stands in it. */
export type Structure = ReadonlyMap<string, SeenChain>

const tableAttribute = { name: 1, flags: 2 } as const
const dormant = 1
const chainAttribute = { name: 3, hook: 4, policy: 5, type: 7 } as const
const ruleAttribute = { table: 1, chain: 2, expressions: 4 } as const

/** Empty without our tables; one that sleeps (`flags dormant`) is as good as none. Throws NetlinkFailure. */
export function readStructure(socket: NetlinkSocket): Structure {
  return new Map(families.flatMap((family) => [...chainsIn(socket, family)]))
}

function chainsIn(socket: NetlinkSocket, family: Family): Map<string, SeenChain> {
  if (!isAwake(socket, family)) return new Map()
  const content = new Map<string, Buffer[]>()
  const rules = new Map<string, number>()
  dump(
    socket,
    `chains of ${family}`,
    request(command.getChain, family, 0x300, () => {}),
    () => content.clear(),
    (message) => {
      if (tableOf(message) !== tableName) return
      const { body } = message
      let name = ''
      const parts: Buffer[] = []
      readAttributes(body, 0, body.length, (type, from, to) => {
        if (type === chainAttribute.name) name = textOf(body, from, to)
        else if (type === chainAttribute.hook || type === chainAttribute.policy || type === chainAttribute.type) {
          parts.push(Buffer.from(body.subarray(from, to)))
        }
      })
      content.set(name, parts)
    },
  )
  if (content.size === 0) return new Map()
  const seen = new Map<string, Buffer[]>()
  dump(
    socket,
    `rules of ${family}`,
    request(command.getRule, family, 0x300, (to) => to.text(ruleAttribute.table, tableName)),
    () => {
      seen.clear()
      rules.clear()
    },
    (message) => {
      const { body } = message
      if (tableOf(message) !== tableName) return
      let chain = ''
      let expressions = Buffer.alloc(0)
      readAttributes(body, 0, body.length, (type, from, to) => {
        if (type === ruleAttribute.chain) chain = textOf(body, from, to)
        else if (type === ruleAttribute.expressions) expressions = Buffer.from(body.subarray(from, to))
      })
      seen.set(chain, [...(seen.get(chain) ?? []), expressions])
      rules.set(chain, (rules.get(chain) ?? 0) + 1)
    },
  )
  return new Map(
    [...content].map(([name, parts]) => [
      `${family} ${name}`,
      { rules: rules.get(name) ?? 0, fingerprint: digest([...parts, ...(seen.get(name) ?? [])]) },
    ]),
  )
}

function isAwake(socket: NetlinkSocket, family: Family): boolean {
  let awake = false
  const answer = exchange(
    socket,
    request(command.getTable, family, 0, (to) => to.text(tableAttribute.name, tableName)),
    ({ body }) => {
      readAttributes(body, 0, body.length, (type, from) => {
        if (type === tableAttribute.flags) awake = (body.readUInt32BE(from) & dormant) === 0
      })
    },
  )
  const refusal = refusalIn(answer, `table ${family}`)
  if (refusal && refusal.code !== 'ENOENT') throw refusal
  return awake
}

function digest(parts: readonly Buffer[]): string {
  // In one go: there are thousands of chains.
  return hash('sha256', Buffer.concat(parts.flatMap((part) => [Buffer.from(`${part.length} `), part])), 'base64')
}

/** Names of chains that differ, are missing, or should not be there. */
export function differences(expected: Structure, seen: Structure): string[] {
  const names = new Set([...expected.keys(), ...seen.keys()])
  return [...names].filter((name) => expected.get(name)?.fingerprint !== seen.get(name)?.fingerprint)
}
