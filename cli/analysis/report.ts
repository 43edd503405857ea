/** Findings as text: a table for people, JSON with a version for programs. Pure. */
import { codes, levelOf, levels } from './findings.ts'
import type { Equivalents, Finding, Level, ServiceName } from './findings.ts'

/** Findings under their Service, each with what it becomes and what is to be known, then a line that counts. */
export function tableOf(findings: readonly Finding[], services: number): string {
  const groups = Map.groupBy(findings, ({ service }) => nameOf(service))
  const sections = [...groups].map(([name, group]) => `${[name, ...group.flatMap(linesOf)].join('\n')}\n`)
  return [...sections, `${summary(findings, services)}\n`].join('\n')
}

const widest = Math.max(...levels.map((level) => level.length))

function linesOf(finding: Finding): string[] {
  const head = `  ${levelOf(finding).padEnd(widest)}  ${finding.code}  `
  const below = ' '.repeat(head.length)
  return [
    head + shortened(finding.found),
    ...equivalentLines(finding.equivalent).map((line) => `${below}-> ${line}`),
    ...(finding.message === '' ? [] : [below + finding.message]),
  ]
}

export function jsonOf(findings: readonly Finding[], services: number): string {
  const items = findings.map((finding) => ({ level: levelOf(finding), ...finding }))
  const counts = Object.fromEntries(levels.map((level) => [level, count(findings, level)]))
  return `${JSON.stringify({ version: 1, services, counts, findings: items }, null, 2)}\n`
}

/** The table of codes, for --codes. */
export function codesTable(): string {
  return `${columns(Object.entries(codes).map(([code, { level, meaning }]) => [code, level, meaning])).join('\n')}\n`
}

function shortened(text: string): string {
  return text.length > 120 ? `${text.slice(0, 117)}...` : text
}

function nameOf({ namespace, name, file, line }: ServiceName): string {
  return file === undefined ? `${namespace}/${name}` : `${namespace}/${name} (${file}:${line})`
}

function equivalentLines(equivalent: Equivalents = {}): string[] {
  return [...Object.entries(equivalent.fields ?? {}), ...Object.entries(equivalent.annotations ?? {})].map(
    ([key, value]) => `${key}: ${value}`,
  )
}

function summary(findings: readonly Finding[], services: number): string {
  const parts = levels.map((level) => {
    const number = count(findings, level)
    return level === 'info' ? `${number} info` : `${number} ${level}${number === 1 ? '' : 's'}`
  })
  return `${services} Service${services === 1 ? '' : 's'} of type LoadBalancer: ${parts.join(', ')}`
}

function count(findings: readonly Finding[], level: Level): number {
  return findings.filter((finding) => levelOf(finding) === level).length
}

function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
