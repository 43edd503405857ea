/** The balancer as a process: its flags, its state file, its words when it cannot work. Nothing here needs root. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('../../providers/local/balancer/balancer-main.ts', import.meta.url))

/** PATH leads to no nft and no ip, so that a mistake here cannot change the machine. */
function run(...argv: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...argv], { env: { PATH: '/nonexistent' } })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()))
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, stdout, stderr }))
  })
}

describe('the balancer process', () => {
  let folder = ''
  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'roadstead-process-'))
  })
  after(() => rm(folder, { recursive: true, force: true }))

  const listen = '--listen=127.0.0.1:0'
  const pool = '--pool=203.0.113.0/24'
  const mistakes: Record<string, readonly [argv: string[], words: RegExp]> = {
    'no address to listen on': [[pool], /--listen is required/],
    'no pool': [[listen], /--pool is required/],
    'a pool that is no range': [
      [listen, '--pool=203.0.113.0/24,203.0.113'],
      /--pool: "203\.0\.113" is not an address range/,
    ],
    'a socket path that is too long': [[`--listen=unix:/${'x'.repeat(120)}`, pool], /a socket path has 1 to 107 bytes/],
    'an address without a port': [['--listen=localhost', pool], /unix:\/path\/of\.sock or host:port/],
    'a port that is none': [['--listen=127.0.0.1:70000', pool], /host:port/],
    'a quota that is no number': [[listen, pool, '--load-balancer-quota=many'], /--load-balancer-quota many/],
    'a table name nft would not take': [[listen, pool, '--table=a b'], /--table a b/],
    'an interface name that is none': [[listen, pool, '--inside-interface=eth0,"; drop'], /--inside-interface/],
    'an unknown flag': [[listen, pool, '--colour=blue'], /Unknown option '--colour'/],
    'an argument': [[listen, pool, 'now'], /Unexpected argument 'now'/],
  }
  for (const [mistake, [argv, words]] of Object.entries(mistakes)) {
    test(`${mistake}: one line, exit code 2`, async () => {
      const { code, stdout, stderr } = await run(...argv)
      assert.equal(code, 2, stderr)
      assert.equal(stdout, '')
      assert.match(stderr, words)
      assert.equal(stderr.trim().split('\n').length, 1)
    })
  }

  test('--help says what the flags are', async () => {
    const { code, stdout } = await run('--help')
    assert.equal(code, 0)
    for (const flag of [
      '--listen',
      '--pool',
      '--internal-pool',
      '--inside-interface',
      '--state',
      '--table',
      '--clear-on-exit',
    ]) {
      assert.ok(stdout.includes(flag), flag)
    }
  })

  test('a state file of something else is left alone: exit code 1', async () => {
    const state = join(folder, 'state.json')
    await writeFile(state, '{"version": 99}')
    const { code, stderr } = await run(listen, pool, `--state=${state}`)
    assert.equal(code, 1)
    assert.match(stderr, /is not a state file of this version/)
  })

  test('without its tools it says which one is missing: exit code 1', async () => {
    const { code, stderr } = await run(listen, pool)
    assert.equal(code, 1)
    assert.match(stderr, /(ip|nft) cannot be started/)
  })

  test('a socket somebody listens on is not taken away', async () => {
    const path = join(folder, 'taken.sock')
    const server = createServer((socket) => socket.end())
    await new Promise<void>((resolve) => server.listen(path, resolve))
    const { code, stderr } = await run(`--listen=unix:${path}`, pool)
    await new Promise((resolve) => server.close(resolve))
    assert.equal(code, 1)
    assert.match(stderr, /another process listens there/)
  })
})
