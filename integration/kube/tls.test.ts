/**
 * A connection over TLS as kubeconfig files describe it: authority, server name, client certificate, HTTP proxy.
 * The certificates are made by openssl for the run; nothing leaves loopback.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createProxy } from 'node:http'
import { createServer } from 'node:https'
import { type AddressInfo, connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { loadConnection } from '../../kube/connection.ts'
import { createHttpClient } from '../../kube/http-client.ts'
import { nodes } from '../../kube/resources.ts'

const tool = 'openssl'
const skip =
  process.env['ROADSTEAD_REQUIRE'] === 'all' || hasOpenssl() ? false : 'needs openssl: apt-get install openssl'

describe('TLS', { skip }, () => {
  let folder = ''
  let server: Server
  let proxy: Server
  const proxied: string[] = []
  const port = (of: Server) => (of.address() as AddressInfo).port
  const listening = (of: Server) => new Promise<void>((resolve) => of.listen(0, '127.0.0.1', resolve))

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'roadstead-tls-'))
    makeCertificates(folder)
    const file = (name: string) => readFileSync(join(folder, name), 'utf8')
    const material = { key: file('server.key'), cert: file('server.crt'), ca: file('ca.crt') }
    // Answers with the name in the client's certificate.
    server = createServer({ ...material, requestCert: true, rejectUnauthorized: false }, (request, response) => {
      const { subject } = (request.socket as TLSSocket).getPeerCertificate()
      response.end(JSON.stringify({ metadata: { name: subject?.CN ?? 'nobody' } }))
    })
    proxy = createProxy().on('connect', (request, socket) => {
      proxied.push(request.url ?? '')
      const onward = connect(port(server), '127.0.0.1', () => {
        socket.write('HTTP/1.1 200 OK\r\n\r\n')
        onward.pipe(socket).pipe(onward)
      })
      for (const end of [onward, socket]) end.on('error', () => {})
    })
    await Promise.all([listening(server), listening(proxy)])
  })

  after(() => {
    server.close()
    proxy.close()
    rmSync(folder, { recursive: true })
  })

  const certificate = { 'client-certificate': 'client.crt', 'client-key': 'client.key' }
  const checked = { 'certificate-authority': 'ca.crt', 'tls-server-name': 'kubernetes' }

  /** Whom the server sees with this cluster and user entry. */
  async function seenAs(cluster: object, user: object = certificate): Promise<string | undefined> {
    const path = join(folder, 'kubeconfig')
    const kubeconfig = {
      'current-context': 'x',
      contexts: [{ name: 'x', context: { cluster: 'c', user: 'u' } }],
      clusters: [{ name: 'c', cluster: { server: `https://127.0.0.1:${port(server)}`, ...cluster } }],
      users: [{ name: 'u', user }],
    }
    writeFileSync(path, JSON.stringify(kubeconfig))
    const client = createHttpClient(await loadConnection({ kubeconfig: path, env: {} }))
    try {
      return (await client.get(nodes, { name: 'n' })).metadata.name
    } finally {
      client.close()
    }
  }

  test('shows the client certificate to a server whose authority and name are right', async () => {
    assert.equal(await seenAs(checked), 'client')
  })

  test('refuses a server of another name', async () => {
    await assert.rejects(seenAs({ 'certificate-authority': 'ca.crt' }), /does not match certificate's altnames/)
  })

  test('refuses a server of an unknown authority', async () => {
    await assert.rejects(seenAs({}), /self-signed certificate in certificate chain/)
  })

  test('takes any server where the kubeconfig says so', async () => {
    assert.equal(await seenAs({ 'insecure-skip-tls-verify': true }, {}), 'nobody')
  })

  test('goes through the proxy of the kubeconfig', async () => {
    const through = { server: 'https://api.invalid:6443', 'proxy-url': `http://127.0.0.1:${port(proxy)}` }
    assert.equal(await seenAs({ ...checked, ...through }), 'client')
    assert.deepEqual(proxied, ['api.invalid:6443'])
  })
})

function hasOpenssl(): boolean {
  return spawnSync(tool, ['version'], { stdio: 'ignore' }).status === 0
}

function makeCertificates(folder: string): void {
  const openssl = (command: string) => execFileSync(tool, command.split(' '), { cwd: folder, stdio: 'ignore' })
  openssl('req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -subj /CN=authority -days 2')
  writeFileSync(join(folder, 'names'), 'subjectAltName=DNS:kubernetes')
  for (const name of ['server', 'client']) {
    openssl(`req -newkey rsa:2048 -nodes -keyout ${name}.key -out ${name}.csr -subj /CN=${name}`)
    openssl(
      `x509 -req -in ${name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out ${name}.crt -days 2 -extfile names`,
    )
  }
}
