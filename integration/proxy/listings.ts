/** Listings of nft, compared. */

/** The first line in which two listings differ, told in a line: a listing has hundreds. Undefined when they are the same. */
export function firstDifference(before: string, now: string): string | undefined {
  const [was, is] = [before.split('\n'), now.split('\n')]
  const at = Array.from({ length: Math.max(was.length, is.length) }).findIndex((_, index) => was[index] !== is[index])
  return at === -1 ? undefined : `line ${at + 1}: "${was[at]?.trim()}" became "${is[at]?.trim()}"`
}

/** Its maps and chains in the order of the alphabet: a map that was deleted comes back as the last one. */
export function inOrder(listing: string): string {
  return listing.split('\n\n').sort().join('\n\n')
}
