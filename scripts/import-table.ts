/**
 * The import table of the architecture as data: which folder may import which, and which packages.
 * .oxlintrc.json carries the same table as lint rules (lintOverrides prints them); import-table.test.ts checks both.
 */
export interface Room {
  /** Folder, with a trailing slash; the longest match counts. */
  folder: string
  /** Folders of ours it may import besides itself. */
  may: readonly string[]
  /** Packages it may import; undefined: any of package.json. */
  packages?: readonly string[]
  /** Further folders its unit tests may use: a neighbour's fake. */
  testsMay?: readonly string[]
}

const fakes = ['sandbox/apiserver/', 'providers/memory/', 'scripts/']

export const rooms: readonly Room[] = [
  { folder: 'kube/', may: [], packages: ['@kubernetes/client-node', 'yaml'], testsMay: fakes },
  { folder: 'crds/', may: [], packages: ['yaml', 'zod'], testsMay: fakes },
  // fast-check: the conformance suite, which every provider's test runs.
  { folder: 'providers/', may: [], packages: ['fast-check'] },
  {
    folder: 'providers/memory/',
    may: ['providers/*.ts'],
    packages: [],
  },
  {
    folder: 'providers/aws/',
    may: ['providers/*.ts'],
    packages: [
      '@aws-sdk/client-elastic-load-balancing-v2',
      '@aws-sdk/core',
      '@smithy/core',
      'fast-check',
      'ipaddr.js',
      'p-retry',
      'zod',
    ],
    testsMay: ['scripts/'],
  },
  { folder: 'providers/local/', may: ['providers/*.ts'], packages: ['ipaddr.js', 'zod'], testsMay: ['scripts/'] },
  { folder: 'reconcilers/', may: ['providers/*.ts', 'kube/', 'crds/'], packages: ['ipaddr.js'], testsMay: fakes },
  {
    folder: 'proxy/',
    may: ['kube/', 'proxy/netlink/'],
    packages: ['ipaddr.js', 'pino', 'prom-client', 'yaml'],
    testsMay: fakes,
  },
  // koffi: by calls.ts alone, and only when it is wanted.
  { folder: 'proxy/netlink/', may: [], packages: ['koffi'] },
  { folder: 'sandbox/', may: ['kube/', 'crds/'], testsMay: ['scripts/'] },
  {
    folder: 'operator/',
    may: ['providers/*.ts', 'reconcilers/', 'kube/', 'crds/'],
    packages: ['pino', 'prom-client', 'p-retry', 'zod'],
    testsMay: fakes,
  },
  {
    folder: 'cli/',
    may: ['operator/', 'proxy/', 'sandbox/', 'providers/', 'reconcilers/', 'kube/', 'crds/'],
    testsMay: ['scripts/'],
  },
]

/** Files that name clouds or start processes and so reach further than their folder. */
export const doors: Readonly<Record<string, readonly string[]>> = {
  'providers/registry.ts': ['providers/memory/', 'providers/local/', 'providers/aws/'],
}

/** Names of source files that must be pure (in the operator, which composes, `assemble` means another thing): no node: import, no async, no clock, no random, no console. */
export const pureNames: readonly string[] = [
  'desire',
  'lower',
  'assemble',
  'plan',
  'rules',
  'status',
  'requeue',
  'annotations',
  'topology',
]

const topFolders = [
  'kube',
  'crds',
  'providers',
  'reconcilers',
  'proxy',
  'sandbox',
  'operator',
  'cli',
  'integration',
  'localstack',
  'bench',
  'scripts',
]

/** The room a file belongs to; undefined for folders without limits (integration, bench, scripts). */
export function roomOf(file: string): Room | undefined {
  return rooms.filter((room) => file.startsWith(room.folder)).sort((a, b) => b.folder.length - a.folder.length)[0]
}

/** Whether `file` may import `target` (both relative to the project root). */
export function mayImport(file: string, target: string): boolean {
  const room = roomOf(file)
  if (room === undefined) return true
  if (roomOf(target) === room) return true
  const allowed = [...room.may, ...(doors[file] ?? []), ...(file.endsWith('.test.ts') ? (room.testsMay ?? []) : [])]
  return allowed.some((entry) =>
    entry.endsWith('/*.ts')
      ? target.startsWith(entry.slice(0, -4)) && !target.slice(entry.length - 4).includes('/')
      : target.startsWith(entry),
  )
}

/** The same table for oxlint: top-level folders a folder may never reach, tests aside. */
export function lintOverrides() {
  return topFolders.flatMap((folder) => {
    const mine = rooms.filter((room) => room.folder.startsWith(`${folder}/`))
    if (mine.length === 0) return []
    const reach = new Set([folder, ...mine.flatMap((room) => room.may.map((entry) => entry.split('/')[0] ?? ''))])
    const never = topFolders.filter((other) => !reach.has(other))
    return [
      {
        files: [`${folder}/**/*.ts`],
        excludeFiles: ['**/*.test.ts'],
        rules: {
          'eslint/no-restricted-imports': [
            'error',
            {
              patterns: [
                {
                  regex: `^(\\.\\./)+(${never.join('|')})/`,
                  message: `${folder}/ must not import this folder: see the import table in ARCHITECTURE.md`,
                },
              ],
            },
          ],
        },
      },
    ]
  })
}
