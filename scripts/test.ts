/**
 * `npm test`: unit tests in one process, then the integration tests one file at a time and those of
 * integration/aws three at a time, then what was skipped and why.
 *   npm test -- [--unit | --integration] [part of a file name ...]
 * With ROADSTEAD_REQUIRE=all a test that is skipped for want of a tool fails the run. ROADSTEAD_TEST_RESULTS names a file for the result of every test (JSON).
 * Where several commands make one run, ROADSTEAD_TALLY names a file with the closing line so far, to which each adds its own, and
 * ROADSTEAD_ELSEWHERE a folder of integration/ that has a command of its own.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { prepareMachine } from '../sandbox/prerequisites.ts'
import { projectRoot, sourceFiles } from './source-files.ts'
import { emptySummary, type Summary } from './test-reporter.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { unit: { type: 'boolean' }, integration: { type: 'boolean' } },
})
process.exitCode = await main()

async function main(): Promise<number> {
  // Soak tests run only when named: `npm run integration` does.
  const soak = sourceFiles('integration', '.soak.ts').filter((file) => positionals.includes(file))
  const elsewhere = process.env['ROADSTEAD_ELSEWHERE']
  const byDefault = (file: string) => elsewhere === undefined || !file.startsWith(`integration/${elsewhere}/`)
  const wanted = [
    ...sourceFiles('', '.test.ts').filter((file) =>
      positionals.length === 0 ? byDefault(file) : positionals.some((part) => file.includes(part)),
    ),
    ...soak,
  ]
  const isIntegration = (file: string) => file.startsWith('integration/') || file.startsWith('localstack/')
  const unit = values.integration === true ? [] : wanted.filter((file) => !isIntegration(file))
  const integration = values.unit === true ? [] : wanted.filter(isIntegration)
  if (unit.length + integration.length === 0) {
    console.error(`npm test: no test file matches ${positionals.join(', ')}`)
    return 2
  }
  let launcher: readonly string[] = []
  if (integration.length > 0) {
    const machine = await prepareMachine((line) => console.log(line))
    if (machine.kind === 'lacking') console.log(`${machine.message}\nThe tests that need it are skipped.`)
    else launcher = machine.launcher
  }
  const total = emptySummary()
  if (unit.length > 0) add(total, await runFiles(unit, ['--test-isolation=none', '--test-timeout=60000'], []))
  // Those of AWS use no network namespaces and have an emulator a file; they wait more than they work, soak tests above all.
  const isApart = (file: string) => file.startsWith('integration/aws/')
  const apart = integration.filter(isApart)
  const oneByOne = integration.filter((file) => !isApart(file))
  // The time of a file counts too; soak tests that emulate processors take what the real ones give them.
  const longestMs = soak.length > 0 ? 3_600_000 : 1_200_000
  if (oneByOne.length > 0)
    add(total, await runFiles(oneByOne, ['--test-concurrency=1', `--test-timeout=${longestMs}`], launcher))
  if (apart.length > 0) add(total, await runFiles(apart, ['--test-concurrency=3', '--test-timeout=1800000'], launcher))

  const results = process.env['ROADSTEAD_TEST_RESULTS']
  if (results !== undefined) writeFileSync(results, JSON.stringify(total))
  const byReason = Map.groupBy(total.skipped, (skip) => skip.reason)
  for (const [reason, skips] of byReason) {
    console.log(`\nSkipped (${reason === '' ? 'NO REASON GIVEN' : reason}):`)
    for (const skip of skips) console.log(`  ${skip.name}`)
  }
  const strict = process.env['ROADSTEAD_REQUIRE'] === 'all'
  const lacking = total.skipped.filter((skip) => skip.reason === '' || skip.reason.startsWith('needs '))
  if (strict && lacking.length > 0)
    console.log(`\nROADSTEAD_REQUIRE=all: ${lacking.length} skipped tests count as failed`)
  const failed = total.failed + (strict ? lacking.length : 0)
  console.log(`\n${closingLine(total.passed, failed, total.skipped.length)}`)
  return failed > 0 || total.passed + total.skipped.length === 0 ? 1 : 0
}

/** With what earlier commands of the same run have counted. */
function closingLine(passed: number, failed: number, skipped: number): string {
  const tally = process.env['ROADSTEAD_TALLY']
  const counts = [passed, failed, skipped]
  const earlier = tally !== undefined && existsSync(tally) ? [...readFileSync(tally, 'utf8').matchAll(/\d+/g)] : []
  const sum = counts.map((count, index) => count + Number(earlier[index]?.[0] ?? 0))
  const line = `${sum[0]} passed, ${sum[1]} failed, ${sum[2]} skipped`
  if (tally !== undefined) writeFileSync(tally, `${line}\n`)
  return line
}

function add(total: Summary, part: Summary): void {
  total.passed += part.passed
  total.failed += part.failed
  total.skipped.push(...part.skipped)
  total.tests.push(...part.tests)
}

/** Runs node:test over the files in a child; a child that dies without a summary counts as one failure. */
async function runFiles(files: string[], flags: string[], launcher: readonly string[]): Promise<Summary> {
  const folder = mkdtempSync(join(tmpdir(), 'roadstead-test-'))
  const summary = join(folder, 'summary.json')
  const argv = [
    ...launcher,
    process.execPath,
    '--test',
    ...flags,
    '--test-reporter=./scripts/test-reporter.ts',
    '--test-reporter-destination=stdout',
    ...files,
  ]
  const code = await new Promise<number>((resolve, reject) => {
    const child = spawn(argv[0] ?? '', argv.slice(1), {
      cwd: projectRoot,
      stdio: ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, ROADSTEAD_TEST_SUMMARY: summary },
    })
    child.on('error', reject)
    child.on('exit', (exit, signal) => resolve(exit ?? (signal === null ? 1 : 128)))
  })
  try {
    const result = JSON.parse(readFileSync(summary, 'utf8')) as Summary
    if (code !== 0 && result.failed === 0) result.failed = 1
    return result
  } catch {
    console.error(`The test process ended with code ${code} before it reported.`)
    return { ...emptySummary(), failed: 1 }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
