/** What a probe found, as the table of the README. */
import type { Finding } from './probe.ts'

export function table(findings: readonly Finding[]): string[] {
  return [
    '| what | AWS | emulator |',
    '|---|---|---|',
    ...findings.map(
      ({ name, aws, deviation, repairedBy }) =>
        `| ${name} | ${aws} | ${deviation === undefined ? 'yes' : `no, repaired by \`${repairedBy}\``} |`,
    ),
  ]
}
