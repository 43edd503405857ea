import assert from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { createVirtualClock } from './virtual-clock.ts'
import { loadConnection } from './connection.ts'
import { fileText } from './credential-file.ts'
import { UsageError } from './flags.ts'
import { inClusterConnection } from './in-cluster.ts'

const pem = (name: string) => `-----BEGIN CERTIFICATE-----\n${name}\n-----END CERTIFICATE-----\n`
const base64 = (text: string) => Buffer.from(text).toString('base64')

function folder(t: TestContext) {
  const path = mkdtempSync(join(tmpdir(), 'roadstead-kubeconfig-'))
  t.after(() => rmSync(path, { recursive: true }))
  const file = (name: string, text: string) => {
    writeFileSync(join(path, name), text)
    return join(path, name)
  }
  return { path, file }
}

interface Parts {
  user?: string
  cluster?: string
  context?: string
  current?: string
}

function kubeconfig({ user = 'token: secret', cluster = '', context = '', current = 'main' }: Parts = {}): string {
  return `apiVersion: v1
kind: Config
current-context: ${current}
clusters:
- name: c
  cluster: { server: "https://api.example:6443/prefix", ${cluster} }
contexts:
- name: main
  context: { cluster: c, user: u, ${context} }
users:
- name: u
  user: { ${user} }
`
}

const load = (path: string, more: object = {}) => loadConnection({ kubeconfig: path, env: {}, ...more })

const failure = async (loading: Promise<unknown>): Promise<string> => {
  const error = await loading.then(
    () => assert.fail('it loaded'),
    (caught: unknown) => caught,
  )
  assert.ok(error instanceof UsageError, String(error))
  assert.ok(!error.message.includes('\n'), 'one line')
  return error.message
}

describe('a kubeconfig', () => {
  test('gives the server, the namespace and a token', async (t) => {
    const connection = await load(folder(t).file('config', kubeconfig({ context: 'namespace: team' })))
    assert.equal(connection.server.href, 'https://api.example:6443/prefix')
    assert.equal(connection.namespace, 'team')
    assert.deepEqual(await connection.credentials(false), { headers: { authorization: 'Bearer secret' } })
  })

  test('may be JSON', async (t) => {
    const text = JSON.stringify({
      'current-context': 'x',
      clusters: [{ name: 'c', cluster: { server: 'http://127.0.0.1:8001' } }],
      contexts: [{ name: 'x', context: { cluster: 'c' } }],
    })
    const connection = await load(folder(t).file('config', text))
    assert.equal(connection.server.href, 'http://127.0.0.1:8001/')
    assert.deepEqual(await connection.credentials(false), { headers: {} })
  })

  test('gives the TLS material from data and from files beside it', async (t) => {
    const { file } = folder(t)
    file('ca.crt', pem('ca'))
    file('client.crt', pem('cert'))
    file('client.key', pem('key'))
    const fromFiles = {
      cluster: 'certificate-authority: ca.crt',
      user: 'client-certificate: client.crt, client-key: client.key',
    }
    const fromData = {
      cluster: `certificate-authority-data: ${base64(pem('ca'))}`,
      user: `client-certificate-data: ${base64(pem('cert'))}, client-key-data: ${base64(pem('key'))}`,
    }
    for (const [name, parts] of Object.entries({ fromFiles, fromData })) {
      const connection = await load(file(name, kubeconfig(parts)))
      assert.equal(connection.tls?.ca?.trim(), pem('ca').trim())
      const { tls } = await connection.credentials(false)
      assert.deepEqual([tls?.cert?.trim(), tls?.key?.trim()], [pem('cert').trim(), pem('key').trim()])
    }
  })

  test('may leave the server unchecked or check another name', async (t) => {
    const { file } = folder(t)
    const skip = await load(file('a', kubeconfig({ cluster: 'insecure-skip-tls-verify: true' })))
    assert.deepEqual(skip.tls, { rejectUnauthorized: false })
    const named = await load(file('b', kubeconfig({ cluster: 'tls-server-name: kubernetes' })))
    assert.deepEqual(named.tls, { servername: 'kubernetes' })
  })

  test('may name another user to act as', async (t) => {
    const user = 'token: secret, as: jane, as-groups: [dev, ops], as-uid: "7"'
    const connection = await load(folder(t).file('config', kubeconfig({ user })))
    assert.deepEqual((await connection.credentials(false)).headers, {
      authorization: 'Bearer secret',
      'impersonate-user': 'jane',
      'impersonate-group': ['dev', 'ops'],
      'impersonate-uid': '7',
    })
  })

  test('may name a token file, which is read again after a 401', async (t) => {
    const { file } = folder(t)
    file('token', 'first\n')
    const connection = await load(file('config', kubeconfig({ user: 'tokenFile: token' })))
    const header = async (refresh: boolean) => (await connection.credentials(refresh)).headers['authorization']
    assert.equal(await header(false), 'Bearer first')
    file('token', 'second\n')
    assert.equal(await header(false), 'Bearer first')
    assert.equal(await header(true), 'Bearer second')
  })

  test('may name a user with a password', async (t) => {
    const connection = await load(folder(t).file('config', kubeconfig({ user: 'username: a, password: b' })))
    assert.deepEqual((await connection.credentials(false)).headers, { authorization: `Basic ${base64('a:b')}` })
  })

  test('may name a credential command: it runs once for many requests, and again after a 401', async (t) => {
    const { path, file } = folder(t)
    mkdirSync(join(path, 'bin'))
    const script = file(
      'bin/plugin',
      `#!/bin/sh
echo x >> "${path}/runs"
n=$(wc -l < "${path}/runs" | tr -d ' ')
test -n "$KUBERNETES_EXEC_INFO" || exit 1
printf '{"kind":"ExecCredential","status":{"token":"t%s-%s"}}' "$n" "$EXTRA"
`,
    )
    chmodSync(script, 0o755)
    const exec =
      'exec: { apiVersion: client.authentication.k8s.io/v1, command: ./bin/plugin, env: [{ name: EXTRA, value: more }], interactiveMode: Never }'
    const connection = await load(file('config', kubeconfig({ user: exec })))
    const header = async (refresh: boolean) => (await connection.credentials(refresh)).headers['authorization']
    assert.deepEqual(await Promise.all([header(false), header(false), header(false)]), Array(3).fill('Bearer t1-more'))
    assert.equal(await header(false), 'Bearer t1-more')
    assert.equal(await header(true), 'Bearer t2-more')
  })

  test('with a credential command that fails says which, at the request', async (t) => {
    const exec = 'exec: { apiVersion: client.authentication.k8s.io/v1, command: no-such-plugin }'
    const connection = await load(folder(t).file('config', kubeconfig({ user: exec })))
    await assert.rejects(connection.credentials(false), /credential command "no-such-plugin" of user "u": .*ENOENT/)
  })

  test('may name a proxy; the environment names one for others, but not for loopback', async (t) => {
    const { file } = folder(t)
    const env = { HTTPS_PROXY: 'http://proxy:3128', NO_PROXY: '.corp' }
    const own = await load(file('a', kubeconfig({ cluster: 'proxy-url: "http://own:8080"' })), { env })
    assert.equal(own.proxyEnv?.['HTTPS_PROXY'], 'http://own:8080')
    const general = await load(file('b', kubeconfig()), { env })
    assert.deepEqual(general.proxyEnv, env)
    const local = kubeconfig().replace('https://api.example:6443', 'https://127.0.0.1:6443')
    assert.equal((await load(file('c', local), { env })).proxyEnv, undefined)
    const socks = kubeconfig({ cluster: 'proxy-url: "socks5://own:1080"' })
    assert.match(await failure(load(file('d', socks))), /only http:\/\/ and https:\/\/ proxies/)
  })
})

describe('a mistake in a kubeconfig names the file and what to do', () => {
  const broken: [string, string, RegExp][] = [
    ['not YAML', 'a: [', /not YAML/],
    ['another document', 'kind: Pod', /not a kubeconfig/],
    [
      'no context chosen',
      kubeconfig({ current: '""' }),
      /current-context is not set; pass --context \(contexts in it: main\)/,
    ],
    ['a context that is not in it', kubeconfig({ current: 'other' }), /no context "other" \(contexts in it: main\)/],
    ['a cluster that is not in it', kubeconfig().replace('cluster: c,', 'cluster: d,'), /names the cluster "d"/],
    ['a user that is not in it', kubeconfig().replace('user: u,', 'user: v,'), /names the user "v"/],
    ['a server that is no URL', kubeconfig().replace('https://api', 'ftp://api'), /server "ftp:.*no http\(s\) URL/],
    ['no server', kubeconfig().replace(/server: "[^"]*",/, ''), /cluster.server is missing/],
    [
      'a missing CA file',
      kubeconfig({ cluster: 'certificate-authority: gone.crt' }),
      /certificate-authority of cluster "c".*ENOENT/,
    ],
    ['a missing key file', kubeconfig({ user: 'client-certificate: a.crt, client-key: b.key' }), /user "u".*ENOENT/],
  ]
  for (const [name, text, expected] of broken) {
    test(name, async (t) => {
      const path = folder(t).file('config', text)
      const message = await failure(load(path))
      assert.match(message, expected)
      assert.ok(message.includes(path))
    })
  }

  test('no file at all', async () => {
    assert.match(
      await failure(load('/no/such/file')),
      /\/no\/such\/file: no such file; pass --kubeconfig FILE or set KUBECONFIG/,
    )
  })

  test('no place to look', async () => {
    assert.match(await failure(loadConnection({ env: {} })), /no kubeconfig: pass --kubeconfig FILE/)
  })
})

describe('the places to look', () => {
  test('are the files of KUBECONFIG, the first to set a name wins, missing ones do not matter', async (t) => {
    const { path, file } = folder(t)
    const first = file('first', kubeconfig({ user: 'token: one' }))
    const second = file('second', kubeconfig({ user: 'token: two' }).replaceAll('main', 'second'))
    const env = { KUBECONFIG: [join(path, 'missing'), first, second].join(delimiter) }
    const main = await loadConnection({ env })
    assert.deepEqual((await main.credentials(false)).headers, { authorization: 'Bearer one' })
    const other = await loadConnection({ env, context: 'second' })
    assert.deepEqual((await other.credentials(false)).headers, { authorization: 'Bearer one' })
  })

  test('end with the one in the home folder', async (t) => {
    const { path, file } = folder(t)
    mkdirSync(join(path, '.kube'))
    file('.kube/config', kubeconfig())
    const connection = await loadConnection({ env: { HOME: path } })
    assert.equal(connection.server.host, 'api.example:6443')
  })

  test('include the service account of a Pod', async (t) => {
    const { path, file } = folder(t)
    file('ca.crt', pem('ca'))
    file('token', 'pod-token\n')
    file('namespace', 'roadstead-system')
    const env = { KUBERNETES_SERVICE_HOST: 'fd00:96::1', KUBERNETES_SERVICE_PORT: '443' }
    const connection = await inClusterConnection(env, path)
    assert.equal(connection?.server.href, 'https://[fd00:96::1]/')
    assert.equal(connection?.namespace, 'roadstead-system')
    assert.deepEqual((await connection?.credentials(false))?.headers, { authorization: 'Bearer pod-token' })
    assert.equal(await inClusterConnection({}, path), undefined)
    assert.equal(await inClusterConnection(env, join(path, 'nothing')), undefined)
  })
})

test('a credential file is read again after a minute, and its last text serves while it is being replaced', async (t) => {
  const { path, file } = folder(t)
  const clock = createVirtualClock()
  file('token', 'one')
  const read = fileText(join(path, 'token'), clock)
  assert.equal(await read(false), 'one')
  file('token', 'two')
  await clock.advance(59_000)
  assert.equal(await read(false), 'one')
  await clock.advance(1000)
  assert.equal(await read(false), 'two')
  rmSync(join(path, 'token'))
  await clock.advance(60_000)
  assert.equal(await read(false), 'two')
})
