/**
 * docs/reference/proxy.md: what the proxy does, the tests that show it, and a mark for each mode from a run of these tests. Texts and tests
 * come from integration/proxy/behaviours.ts, marks from recorded results (scripts/proxy-table.ts); `npm run docs` keeps the marks that are
 * on the page. Pure.
 */
import { behaviours } from '../../integration/proxy/behaviours.ts'
import { type Behaviour, points, type Shown } from '../../integration/proxy/behaviours/behaviour.ts'
import { modeNames, type ModeName } from '../../proxy/mode-names.ts'
import type { Summary, TestResult } from '../test-reporter.ts'
import { markdownTable } from './markdown.ts'
import { hasTitle } from './test-titles.ts'

/** `reason` of a skip. */
export interface Mark {
  sign: 'passed' | 'partly' | 'failed' | 'skipped' | 'unknown'
  reason?: string
}

export interface Recorded {
  /** Where and when it was seen, a line each. */
  runs: readonly string[]
  /** By behaviour and mode. */
  marks: ReadonlyMap<string, Mark>
}

const signs = { passed: '✔', partly: '(✔)', failed: '✘', skipped: '–', unknown: '?' } as const satisfies Record<
  Mark['sign'],
  string
>
const markName = (id: string, mode: ModeName) => `${id} ${mode}`

/** Files whose tests are about one mode, if their suites do not say it themselves. */
const filesOfOneMode: readonly [RegExp, ModeName][] = [
  [/^(integration\/)?proxy\/iptables/, 'iptables'],
  [/^(integration\/)?proxy\/ipvs/, 'ipvs'],
  [/^proxy\/nftables\//, 'nftables'],
  [/^integration\/proxy\/(writers|ruleset|foreign-changes|restart|process)\.test\.ts$/, 'nftables'],
]

/** The mode a result is about; undefined: all of them, the code is the same. */
export function modeOf({ file, path }: TestResult): ModeName | undefined {
  for (const name of path) {
    const [, mode] = /\bmode (nftables|iptables|ipvs)\b/.exec(name) ?? []
    if (mode !== undefined) return mode as ModeName
  }
  return filesOfOneMode.find(([pattern]) => pattern.test(file))?.[1]
}

function modesOf(result: TestResult, shown: Shown): readonly ModeName[] | undefined {
  const mode = modeOf(result)
  return mode === undefined ? shown.modes : [mode]
}

export function recordedIn(results: readonly Summary[]): Recorded {
  // Of a test that ran twice the later result counts.
  const byName = new Map(
    results.flatMap(({ tests }) => tests).map((each) => [`${each.file} ${each.path.join()}`, each]),
  )
  const tests = [...byName.values()]
  const marks = new Map<string, Mark>()
  for (const behaviour of behaviours) {
    const mine = tests.flatMap((result) => {
      const shown = behaviour.shown.find((each) => isOf(each, result))
      return shown === undefined ? [] : [{ result, modes: modesOf(result, shown) }]
    })
    // What is the same code in all modes counts for one of them only where nothing depends on the mode.
    const isNeutral = behaviour.sameCode === true || mine.every(({ modes }) => modes === undefined)
    for (const mode of modeNames) {
      const decisive = mine.filter(({ modes }) => isNeutral || modes?.includes(mode))
      const failed = mine.some(({ result, modes }) => result.outcome === 'failed' && (modes?.includes(mode) ?? true))
      const found = decisive.map(({ result }) => result)
      marks.set(markName(behaviour.id, mode), failed ? { sign: 'failed' } : markOf(found, behaviour.lacking?.[mode]))
    }
  }
  const runs = [...new Set(results.map(({ day, machine }) => `${day}, ${machine}`))]
  return { runs, marks }
}

/**
 * A skipped suite stands for its tests, whichever they are. Of a test that a function for several files declares (modes.ts), and of one in the
 * virtual machine, only the name is known: it ends with the title (integration/vm/testing.ts).
 */
function isOf(shown: Shown, { file, path, outcome }: TestResult): boolean {
  const title = titleOf(path)
  if (!file.endsWith('.test.ts') || file.startsWith('integration/vm/')) {
    return shown.file.startsWith('integration/') && hasTitle(shown.title, title)
  }
  return shown.file === file && (hasTitle(shown.title, title) || (outcome === 'skipped' && path.length === 1))
}

function titleOf(path: readonly string[]): string {
  return path.at(-1)?.split(' > ').at(-1) ?? ''
}

function markOf(results: readonly TestResult[], lacking: string | undefined): Mark {
  const passed = results.filter(({ outcome }) => outcome === 'passed').map(({ path }) => titleOf(path))
  // What one machine lacks does not count where another one has run it.
  const skipped = results.find(
    ({ outcome, path }) =>
      outcome === 'skipped' && !passed.includes(titleOf(path)) && (path.length > 1 || passed.length === 0),
  )
  const reason = skipped?.reason ?? lacking
  if (reason === undefined) return { sign: passed.length > 0 ? 'passed' : 'unknown' }
  return { sign: passed.length > 0 ? 'partly' : 'skipped', reason }
}

export function proxyPage({ runs, marks }: Recorded): string {
  const sections = Object.entries(points).map(([point, title]) => {
    const rows = behaviours.filter((behaviour) => behaviour.point === Number(point))
    const table = markdownTable(
      ['behaviour', 'id', ...modeNames],
      rows.map(({ id, text }) => [
        text,
        `[${id}](#${id})`,
        ...modeNames.map((mode) => signs[marks.get(markName(id, mode))?.sign ?? 'unknown']),
      ]),
    )
    return `## ${point}. ${title}\n${table}\n`
  })
  const reasons = behaviours.flatMap(({ id }) =>
    modeNames.flatMap((mode) => {
      const { reason } = marks.get(markName(id, mode)) ?? {}
      return reason === undefined ? [] : [`- ${id}, ${mode}: ${reason}`]
    }),
  )
  return `# What the proxy does
${signs.passed} its tests passed in this mode, ${signs.failed} one failed, ${signs.skipped} and ${signs.partly}: see [why not](#why-not), ${signs.unknown} not run yet. Marks are those of a run, which
\`ROADSTEAD_TEST_RESULTS=FILE npm test -- proxy/\` and \`node scripts/proxy-table.ts FILE...\` record. What is the same in every mode
counts for all of them. IPVS is tested in a virtual machine where the kernel lacks it.

Recorded:
${runs.map((run) => `- ${run}\n`).join('')}
${sections.join('\n')}
## Why not
${reasons.length === 0 ? 'Nothing was left out.' : reasons.join('\n')}

## Tests
A \`*\` stands for the cases of a test.

${behaviours.map(testsOf).join('\n')}`
}

function testsOf({ id, shown, sameCode }: Behaviour): string {
  const note = sameCode === true ? 'The same in every mode.\n' : ''
  return `### ${id}\n${note}${shown.map(({ file, title }) => `- \`${file}\`: ${title.replaceAll('*', '\\*')}\n`).join('')}`
}

/** What an earlier run has put on the page. */
export function recordedOn(page: string): Recorded {
  const marks = new Map<string, Mark>()
  const runs = [...(/^Recorded:\n((?:- .*\n)*)/m.exec(page)?.[1] ?? '').matchAll(/^- (.*)$/gm)].map(
    ([, run = '']) => run,
  )
  const reasons = new Map(
    [...page.matchAll(/^- ([\w-]+), (\w+): (.*)$/gm)].map(([, id, mode, reason]) => [`${id} ${mode}`, reason]),
  )
  for (const [, id = '', cells = ''] of page.matchAll(/\| \[([\w-]+)\]\(#[\w-]*\) \| (.*) \|$/gm)) {
    const each = cells.split(' | ')
    modeNames.forEach((mode, index) => {
      const name = markName(id, mode)
      const sign = (Object.keys(signs) as Mark['sign'][]).find((key) => signs[key] === each[index]) ?? 'unknown'
      const reason = reasons.get(name)
      marks.set(name, { sign, ...(reason !== undefined && { reason }) })
    })
  }
  return { runs, marks }
}
