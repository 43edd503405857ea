/** How Nodes name EC2 instances, and how messages name nodes. Pure. */

/** `aws:///eu-west-1a/i-0123` or `aws:////i-0123`; undefined for others, and for what is no instance (Fargate, hybrid nodes). */
export function instanceIdOf(providerId: string): string | undefined {
  return /^aws:\/\/.*\/(i-[0-9a-f]+)$/.exec(providerId)?.[1]
}

/** Fargate runs one Pod on a node of its own, which no load balancer can reach: nobody expects it to. */
export function isFargate(providerId: string): boolean {
  return /^aws:\/\/.*\/fargate-/.test(providerId)
}

const shown = 10

/** Sorted, and not another text for each further name. */
export function namesOf(names: readonly string[]): string {
  const sorted = names.toSorted()
  return sorted.length > shown ? `${sorted.slice(0, shown).join(', ')} and more` : sorted.join(', ')
}
