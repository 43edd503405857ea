/**
 * Starts a real etcd and kube-apiserver on free loopback ports, to compare our API server with. No controllers, everybody may do everything.
 * The folder with both executables is an argument; data goes to a temporary folder that `stop` removes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export interface RealApiServer {
  url: string
  token: string
  stop(): Promise<void>
}

const startTimeoutMs = 90_000
const token = 'corpus-token'

export async function startRealApiServer(binaries: string): Promise<RealApiServer> {
  const folder = mkdtempSync(join(tmpdir(), 'roadstead-real-'))
  const [clientPort, peerPort, securePort] = await Promise.all([freePort(), freePort(), freePort()])
  const etcdUrl = `http://127.0.0.1:${clientPort}`
  const peerUrl = `http://127.0.0.1:${peerPort}`
  const key = join(folder, 'service-account.key')
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  writeFileSync(key, privateKey)
  writeFileSync(join(folder, 'tokens.csv'), `${token},corpus,corpus,"system:masters"\n`)

  const children: ChildProcess[] = []
  const run = (name: string, args: string[]) => {
    const child = spawn(join(binaries, name), args, { stdio: 'ignore', cwd: folder })
    children.push(child)
    return child
  }
  const stop = async () => {
    await Promise.all(children.map((child) => ended(child)))
    rmSync(folder, { recursive: true, force: true })
  }
  run('etcd', [
    '--data-dir',
    join(folder, 'etcd'),
    '--listen-client-urls',
    etcdUrl,
    '--advertise-client-urls',
    etcdUrl,
    '--listen-peer-urls',
    peerUrl,
    '--initial-advertise-peer-urls',
    peerUrl,
    '--initial-cluster',
    `default=${peerUrl}`,
    '--unsafe-no-fsync',
  ])
  run('kube-apiserver', [
    '--etcd-servers',
    etcdUrl,
    '--service-cluster-ip-range',
    '10.96.0.0/16,fd00:96::/112',
    '--bind-address',
    '127.0.0.1',
    '--secure-port',
    String(securePort),
    '--cert-dir',
    join(folder, 'certificates'),
    '--token-auth-file',
    join(folder, 'tokens.csv'),
    '--authorization-mode',
    'AlwaysAllow',
    '--service-account-issuer',
    'https://corpus.invalid',
    '--service-account-signing-key-file',
    key,
    '--service-account-key-file',
    key,
    '--disable-admission-plugins',
    // Tokens and node taints are the business of controllers that do not run here.
    'ServiceAccount,TaintNodesByCondition',
  ])
  const url = `https://127.0.0.1:${securePort}`
  try {
    await untilReady(url, children)
  } catch (error) {
    await stop()
    throw error
  }
  return { url, token, stop }
}

async function untilReady(url: string, children: readonly ChildProcess[]): Promise<void> {
  const deadline = Date.now() + startTimeoutMs
  while (Date.now() < deadline) {
    const dead = children.find((child) => child.exitCode !== null)
    if (dead !== undefined) throw new Error(`${dead.spawnfile} ended with code ${dead.exitCode}`)
    const ready = (await statusOf(`${url}/readyz`)) === 200
    if (ready && (await statusOf(`${url}/api/v1/namespaces/default/services/kubernetes`)) === 200) return
    await sleep(500)
  }
  throw new Error(`kube-apiserver was not ready after ${startTimeoutMs / 1000} s`)
}

function statusOf(url: string): Promise<number> {
  return new Promise((resolve) => {
    const headers = { authorization: `Bearer ${token}` }
    const asked = request(url, { rejectUnauthorized: false, headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
    asked.on('error', () => resolve(0))
    asked.end()
  })
}

function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve()
  return new Promise((resolve) => {
    child.once('exit', () => resolve())
    child.kill('SIGTERM')
    setTimeoutKill(child)
  })
}

function setTimeoutKill(child: ChildProcess): void {
  const timer = setTimeout(() => child.kill('SIGKILL'), 5_000)
  child.once('exit', () => clearTimeout(timer))
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.on('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      const port = typeof address === 'object' && address !== null ? address.port : 0
      server.close(() => resolve(port))
    })
  })
}
