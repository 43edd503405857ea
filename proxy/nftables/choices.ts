/**
 * How the verdict of a frontend stands in `svc` and `svc-local`: as a number, for which the map `choices` has the verdict. Pure.
 * With verdicts in the elements themselves the kernel goes through all of them for every new one, once for each way a packet can take there
 * (nft_lookup_validate): 0.7 ms a change at 10,000 Services, and more with each further one. To nft the number is a traffic control handle.
 */
const first: Readonly<Record<string, number>> = { n: 0x5eae_0000, l: 0x5eaf_0000 }
const drop = 0x5eb0_0001

export function isChoice(map: string): boolean {
  return map === 'svc' || map === 'svc-local'
}

/** Of `goto n3`, `goto l3` and `drop`; undefined for anything else. */
export function choiceNumber(verdict: string): number | undefined {
  if (verdict === 'drop') return drop
  const base = verdict.startsWith('goto ') ? first[verdict.charAt(5)] : undefined
  const count = Number(verdict.slice(6))
  return base !== undefined && Number.isInteger(count) && count > 0 && count <= 0xffff ? base + count : undefined
}

/** The way back; undefined for a number that is none of ours. */
export function chosenVerdict(number: number): string | undefined {
  if (number === drop) return 'drop'
  const letter = Object.keys(first).find((each) => first[each] === (number & 0xffff_0000) >>> 0)
  return letter === undefined ? undefined : `goto ${letter}${number & 0xffff}`
}

/** As nft spells it: `5eae:3`. Throws RangeError. */
export function choiceHandle(verdict: string): string {
  const number = choiceNumber(verdict)
  if (number === undefined) throw new RangeError(`no such choice: ${verdict}`)
  return `${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`
}

/** What nft printed to a verdict; what is none of ours stays as it is. */
export function verdictOfHandle(handle: string): string {
  const [high = '', low = ''] = handle.split(':')
  return chosenVerdict(Number.parseInt(high, 16) * 0x1_0000 + Number.parseInt(low, 16)) ?? handle
}

/** Elements of `choices` for these verdicts, as nft spells them. */
export function choiceTexts(verdicts: readonly string[]): string {
  return verdicts.map((verdict) => `${choiceHandle(verdict)} : ${verdict}`).join(', ')
}
