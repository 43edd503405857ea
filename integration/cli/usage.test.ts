import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { listNamespaces } from '../../sandbox/nodes/netns.ts'
import { projectRoot } from '../../scripts/source-files.ts'

const folder = mkdtempSync(join(tmpdir(), 'roadstead-usage-'))
after(() => rmSync(folder, { recursive: true, force: true }))

interface Ended {
  code: number
  stdout: string
  stderr: string
}

function roadstead(...argv: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(projectRoot, 'cli/main.ts'), ...argv], { cwd: folder }, (error, stdout, stderr) =>
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr }),
    )
  })
}

const wrong: [string, string[], RegExp][] = [
  ['an unknown command', ['fly'], /unknown command "fly"/],
  ['an unknown flag of up', ['up', '--bogus'], /--bogus/],
  ['a number that is none', ['up', '--nodes', 'many'], /--nodes/],
  ['a manifest that is not there', ['up', '-f', 'nothing.yaml'], /nothing\.yaml: there is no such file/],
  ['a malformed manifest', ['up', '-f', 'broken.yaml'], /broken\.yaml, document 1/],
  ['an unknown flag of tour', ['tour', '--fast'], /--fast/],
  ['an unknown flag of operator', ['operator', '--bogus'], /--bogus/],
  [
    'an operator without a cluster to talk to',
    [
      'operator',
      '--kubeconfig',
      'missing',
      '--cluster-id',
      'c',
      '--provider',
      'local',
      '--local-endpoint',
      'unix:/nowhere',
    ],
    /missing/,
  ],
  ['an unknown flag of proxy', ['proxy', '--bogus'], /--bogus/],
  ['a proxy with a malformed cluster CIDR', ['proxy', '--cluster-cidr', 'ten'], /cluster-cidr/],
  ['an API server without --kubeconfig', ['apiserver'], /--kubeconfig/],
  [
    'an API server with a malformed range',
    ['apiserver', '--kubeconfig', 'kc', '--service-node-port-range', '9-1'],
    /node-port-range/,
  ],
  ['a balancer without a pool', ['balancer', '--listen', 'unix:b.sock'], /--pool/],
  ['an unknown flag of sandbox exec', ['sandbox', 'exec', '--bogus', 'client', '--', 'true'], /--bogus/],
  [
    'a sandbox that does not run',
    ['sandbox', 'exec', '--name', 'no-such-sandbox', 'client', '--', 'true'],
    /no-such-sandbox/,
  ],
]

/** Those of `up` without a name; others on this machine may come and go. */
function sandboxNamespaces(): string[] {
  return listNamespaces().filter((name) => name.startsWith('rs-sandbox-'))
}

describe('wrong flags and files: one line, exit code 2, nothing started', () => {
  writeFileSync(join(folder, 'broken.yaml'), 'apiVersion: v1\nkind: [Service\n')
  for (const [name, argv, message] of wrong) {
    test(name, async () => {
      const before = sandboxNamespaces()
      const { code, stdout, stderr } = await roadstead(...argv)
      assert.equal(code, 2, `exit code ${code}: ${stderr}`)
      assert.equal(stdout, '')
      assert.match(stderr, message)
      assert.equal(stderr.trimEnd().split('\n').length, 1, `more than one line: ${stderr}`)
      assert.deepEqual(sandboxNamespaces(), before)
    })
  }

  test('help is on stdout with exit code 0', async () => {
    for (const name of ['up', 'tour', 'sandbox', 'operator', 'proxy', 'apiserver', 'balancer']) {
      const { code, stdout } = await roadstead(name, '--help')
      assert.equal(code, 0)
      assert.match(stdout, new RegExp(`^Usage: roadstead ${name}`))
    }
  })
})

describe('the version', () => {
  test('is the same whoever is asked, the proxy by the flag of kube-proxy', async () => {
    const { version } = JSON.parse(readFileSync(join(projectRoot, 'package.json'), 'utf8')) as { version: string }
    const said = { code: 0, stdout: `roadstead ${version}\n`, stderr: '' }
    for (const argv of [
      ['version'],
      ['--version'],
      ['proxy', '--version'],
      ['proxy', '--config=nowhere', '--version=raw'],
    ]) {
      assert.deepEqual(await roadstead(...argv), said, argv.join(' '))
    }
  })
})
