/** What a person probably meant: the known words that lie within a few keystrokes of the one they wrote. */

/** At most three of `known`, nearest first. */
export function nearMatches(word: string, known: Iterable<string>): string[] {
  const limit = Math.max(2, Math.floor(word.length / 4))
  return [...known]
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .filter(({ distance }) => distance <= limit)
    .toSorted((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, 3)
    .map(({ candidate }) => candidate)
}

/** `; did you mean a or b?`, or the empty string. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const near = nearMatches(word, known)
  return near.length === 0 ? '' : `; did you mean ${near.join(' or ')}?`
}

/** Levenshtein's distance. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}
