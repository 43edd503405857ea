/** Security groups that a user names instead of the one that is made: by id, or by the value of their Name tag, as `Name=<value>`. Pure. */

const byName = 'Name='

/** As it stands in a wanted load balancer. */
export function groupWish(given: string): string {
  return given.startsWith('sg-') ? given : byName + given
}

/** The Name tag that is wished; undefined for ids and for names of groups of ours. */
export function wishedName(wish: string): string | undefined {
  return wish.startsWith(byName) ? wish.slice(byName.length) : undefined
}

/** The wishes with names that stand there already as what they are seen as; `names`: seen group -> value of its Name tag. */
export function asSeen(wishes: readonly string[], names: Readonly<Record<string, string>>): string[] {
  return wishes.map((wish) => {
    const name = wishedName(wish)
    const found = name === undefined ? undefined : Object.entries(names).find(([, value]) => value === name)
    return found?.[0] ?? wish
  })
}
