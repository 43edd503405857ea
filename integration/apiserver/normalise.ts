/**
 * Takes out of an answer what differs between two runs of the same server: UIDs, versions, times, generated names, and the addresses and
 * ports it chose, which become `$port-1`, `$v4-1`, ... in order of appearance. Values that the scenario itself names stay.
 */
import type { Answer, Reply } from './replay.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type JsonObject = { [key: string]: Json }

const dropped = new Set(['uid', 'resourceVersion', 'creationTimestamp', 'managedFields', 'selfLink'])
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/
const portFields = new Set(['nodePort', 'healthCheckNodePort'])
const dynamicV4 = /\b10\.96\.(?!0\.)\d{1,3}\.\d{1,3}\b/g
const dynamicV6 = /\bfd00:96::[0-9a-f]{3,4}\b/g
const anyUid = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g

/** The high band of the default range (KEP-3668). */
function isDynamicPort(port: number): boolean {
  return port >= 30086 && port <= 32767
}

/** `literals`: the scenario's text, whose values are not the server's choice. */
export function createNormaliser(literals: string, namespace: string): (reply: Reply) => Answer {
  const names = new Map<string, string>()
  const prefixes = [...literals.matchAll(/"generateName":"([^"]+)"/g)].map(([, prefix = '']) => prefix)
  const named = (kind: string, value: string): string => {
    if (new RegExp(`(?<![0-9a-f.:])${value.replaceAll('.', '\\.')}(?![0-9a-f.:])`).test(literals)) return value
    const known = names.get(value)
    if (known !== undefined) return known
    const count = [...names.values()].filter((name) => name.startsWith(`$${kind}-`)).length
    names.set(value, `$${kind}-${count + 1}`)
    return names.get(value) ?? value
  }
  const text = (value: string): string => {
    // The whole object as it was patched, and Go's picture of a difference: not worth copying.
    let result = value
      .replace(/patch: Invalid value: "(?:[^"\\]|\\.)*"/, 'patch: Invalid value: "$object"')
      .replace(/^Invalid value: "\{(?:[^"\\]|\\.)*"/, 'Invalid value: "$object"')
      .replace(/in record \(\d+\)/, 'in record ($version)')
      .replace(/^(.*pod updates may not change fields other than[^\n]*)\n.*$/s, '$1')
      .replaceAll(dynamicV4, (ip) => named('v4', ip))
      .replaceAll(dynamicV6, (ip) => named('v6', ip))
      .replaceAll(anyUid, (uid) => (literals.includes(uid) ? uid : '$uid'))
      .replaceAll(namespace, '$namespace')
    result = result.replaceAll(/\b3[0-2]\d{3}\b/g, (port) => (isDynamicPort(Number(port)) ? named('port', port) : port))
    for (const prefix of prefixes)
      result = result.replace(new RegExp(`${prefix}[bcdfghjklmnpqrstvwxz2456789]{5}`, 'g'), `${prefix}$$random`)
    return time.test(result) && !literals.includes(result) ? '$time' : result
  }
  const walk = (value: Json, field: string): Json => {
    if (typeof value === 'string') return text(value)
    if (typeof value === 'number')
      return portFields.has(field) && isDynamicPort(value) ? named('port', String(value)) : value
    if (Array.isArray(value)) return value.map((item) => walk(item, field))
    if (value === null || typeof value !== 'object') return value
    return object(value)
  }
  const object = (value: JsonObject): JsonObject => {
    const entries = Object.entries(value)
      .filter(([key]) => !dropped.has(key))
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, item]): [string, Json] => [key, walk(item, key)])
    return Object.fromEntries(entries)
  }
  return ({ code, body, warnings }) => {
    const answer: Answer = { code }
    const status = body as JsonObject
    if (status?.['kind'] === 'Status' && code >= 300) {
      if (typeof status['reason'] === 'string') answer.reason = status['reason']
      if (typeof status['message'] === 'string') answer.message = text(status['message'])
      const causes = (status['details'] as JsonObject | undefined)?.['causes']
      if (causes !== undefined) answer.causes = walk(causes, 'causes')
    } else answer.object = walk(body, '')
    if (warnings.length > 0) answer.warnings = warnings.map((warning) => text(warning)).toSorted()
    return answer
  }
}
