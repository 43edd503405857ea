/** Titles of tests as they stand in the source, so that a page which names a test can be held to it. */

const call = /\b(?:test|behaviour)\(\s*(?:'((?:\\.|[^'\\\n])*)'|"((?:\\.|[^"\\\n])*)"|`((?:\\.|[^`\\])*)`)/g

/** What is put in by the program (`${...}`) is a `*`. */
export function testTitles(source: string): Set<string> {
  return new Set(
    [...source.matchAll(call)].map(([, single, double, template]) =>
      (single ?? double ?? template?.replaceAll(/\$\{[^}]*\}/g, '*') ?? '').replaceAll(/\\(.)/g, '$1'),
    ),
  )
}

/** Whether a test that ran has this title, in which a `*` stands for anything. */
export function hasTitle(title: string, name: string): boolean {
  const parts = title.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`).test(name)
}
