/** Lists that AWS answers page by page: EC2 goes on with a token, Elastic Load Balancing with a marker. */

export async function pages<P extends { nextToken?: string | undefined }, T>(
  read: (token: { nextToken?: string }) => Promise<P>,
  items: (page: P) => readonly T[],
): Promise<T[]> {
  const all: T[] = []
  let token: string | undefined
  do {
    const page = await read(token === undefined ? {} : { nextToken: token })
    all.push(...items(page))
    token = page.nextToken
  } while (token !== undefined && token !== '')
  return all
}

export async function markerPages<P extends { nextMarker?: string | undefined }, T>(
  read: (marker: { marker?: string }) => Promise<P>,
  items: (page: P) => readonly T[],
): Promise<T[]> {
  return pages(
    async ({ nextToken }) => {
      const page = await read(nextToken === undefined ? {} : { marker: nextToken })
      return { nextToken: page.nextMarker, items: items(page) }
    },
    (page) => page.items,
  )
}
