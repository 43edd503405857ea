/** Runs the experiments of capabilities.ts against an endpoint and says what a test has to do without there. */
import { capabilities } from './capabilities.ts'
import { openLaboratory } from './laboratory.ts'
import { type RepairName, repairNames } from './repairs/repairs.ts'

export interface Finding {
  name: string
  aws: string
  repairedBy: RepairName
  /** What was seen instead of AWS's behaviour; undefined: as AWS. */
  deviation: string | undefined
}

/** Errors: nothing answers at the URL, or not as AWS at all. */
export async function probe(url: string): Promise<Finding[]> {
  const laboratory = await openLaboratory(url)
  const findings: Finding[] = []
  try {
    for (const { name, aws, repairedBy, deviation } of capabilities) {
      const seen = await deviation(laboratory).catch((error: unknown) => `not possible: ${String(error)}`)
      findings.push({ name, aws, repairedBy, deviation: seen })
    }
  } finally {
    await laboratory.close()
  }
  return findings
}

/**
 * The repairs that an endpoint needs, for startFaultProxy. They rely on one set of books, so it is all of them or none: an endpoint that
 * does as AWS does gets none.
 */
export function repairsFor(findings: readonly Finding[]): readonly RepairName[] {
  return findings.some(({ deviation }) => deviation !== undefined) ? repairNames : []
}

/** For node:test's `skip`: false, or the names of what the test needs and the endpoint lacks. Errors: a name that there is not. */
export function lacking(findings: readonly Finding[], ...needs: string[]): string | false {
  const missing = needs.flatMap((need) => {
    const finding = findings.find(({ name }) => name === need)
    if (finding === undefined) throw new Error(`no capability is called ${need}`)
    return finding.deviation === undefined ? [] : [`${need} (${finding.deviation})`]
  })
  return missing.length === 0 ? false : `this emulator is unlike AWS in: ${missing.join(', ')}`
}
