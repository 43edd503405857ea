/**
 * An API server in a namespace of the benchmark's network, always a process of its own: a real kube-apiserver with etcd where their
 * executables are found (the folder that KUBEBUILDER_ASSETS names, as for controller-runtime's tests), else the sandbox's.
 */
import type { ChildProcess } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile, writeFile, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { stringify } from 'yaml'
import { systemClock } from '../../kube/clock.ts'
import { createHttpClient, type HttpKubeClient } from '../../kube/http-client.ts'
import type { Connection } from '../../kube/server-access.ts'
import { waitFor } from '../../sandbox/cluster.ts'
import { spawnIn } from '../../sandbox/nodes/netns.ts'

export interface ApiServerProcess {
  /** What answers, in words. */
  readonly kind: string
  /** Of this process, through a unix socket. */
  readonly client: HttpKubeClient
  /** For processes in the network. */
  readonly kubeconfig: string
}

export interface ApiServerPlace {
  name: string
  folder: string
  namespace: string
  /** Address in the network. */
  host: string
  /** The first of four free ports. */
  port: number
  /** What is started is put here. */
  children: ChildProcess[]
}

const token = 'bench-token'
const main = new URL('../../cli/main.ts', import.meta.url).pathname
const relayMain = new URL('../../sandbox/nodes/relay-main.ts', import.meta.url).pathname
const serviceNetworks = '10.96.0.0/16,fd00:96::/112'

/** Undefined: there are none. */
function realBinaries(): string | undefined {
  const folder = process.env['KUBEBUILDER_ASSETS']
  return folder !== undefined && existsSync(join(folder, 'kube-apiserver')) ? folder : undefined
}

export async function startApiServerProcess(place: ApiServerPlace): Promise<ApiServerProcess> {
  const folder = join(place.folder, place.name)
  await mkdir(folder, { recursive: true })
  const binaries = realBinaries()
  const scheme = binaries === undefined ? 'http' : 'https'
  if (binaries === undefined) startSandbox(place, folder)
  else await startReal(binaries, place, folder)
  const socketPath = join(folder, 'api.sock')
  run(place, process.execPath, [relayMain, `unix:${socketPath}`, `tcp:${place.host}:${place.port}`])
  const server = `${scheme}://${place.host}:${place.port}`
  const connection: Connection = {
    server: new URL(server),
    socketPath,
    tls: { rejectUnauthorized: false },
    namespace: 'default',
    credentials: () => Promise.resolve({ headers: { authorization: `Bearer ${token}` } }),
  }
  const client = createHttpClient(connection)
  const started = binaries === undefined ? "the sandbox's API server" : 'kube-apiserver with etcd'
  await waitFor(`${started} (${place.name})`, 120, systemClock, async () => {
    // The Service `kubernetes` comes last.
    const ready = await client.getPath('/api/v1/namespaces/default/services/kubernetes').catch(() => undefined)
    return ready !== undefined || (binaries === undefined && (await isServing(client))) || undefined
  })
  const version = JSON.parse(await client.getPath('/version')) as { gitVersion?: string }
  const kubeconfig = join(folder, 'kubeconfig')
  const authority = binaries === undefined ? undefined : await readFile(join(folder, 'certificates/apiserver.crt'))
  await writeFile(kubeconfig, kubeconfigText(server, authority))
  return { kind: `${started} ${version.gitVersion ?? ''}`.trim(), client, kubeconfig }
}

function isServing(client: HttpKubeClient): Promise<boolean> {
  return client.getPath('/readyz').then(
    () => true,
    () => false,
  )
}

function startSandbox(place: ApiServerPlace, folder: string): void {
  run(place, process.execPath, [
    main,
    'apiserver',
    `--listen=${place.host}:${place.port}`,
    `--kubeconfig=${join(folder, 'own-kubeconfig')}`,
    `--service-cluster-ip-range=${serviceNetworks}`,
  ])
}

async function startReal(binaries: string, place: ApiServerPlace, folder: string): Promise<void> {
  const { host, port } = place
  const clientUrl = `http://${host}:${port + 1}`
  const peerUrl = `http://${host}:${port + 2}`
  const key = join(folder, 'service-account.key')
  const { privateKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
    publicKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  await writeFile(key, privateKey)
  await writeFile(join(folder, 'tokens.csv'), `${token},bench,bench,"system:masters"\n`)
  run(place, join(binaries, 'etcd'), [
    `--data-dir=${join(folder, 'etcd')}`,
    `--listen-client-urls=${clientUrl}`,
    `--advertise-client-urls=${clientUrl}`,
    `--listen-peer-urls=${peerUrl}`,
    `--initial-advertise-peer-urls=${peerUrl}`,
    `--initial-cluster=default=${peerUrl}`,
    '--unsafe-no-fsync',
  ])
  run(place, join(binaries, 'kube-apiserver'), [
    `--etcd-servers=${clientUrl}`,
    `--service-cluster-ip-range=${serviceNetworks}`,
    `--bind-address=${host}`,
    `--advertise-address=${host}`,
    `--secure-port=${port}`,
    `--cert-dir=${join(folder, 'certificates')}`,
    `--token-auth-file=${join(folder, 'tokens.csv')}`,
    '--authorization-mode=AlwaysAllow',
    '--service-account-issuer=https://bench.invalid',
    `--service-account-signing-key-file=${key}`,
    `--service-account-key-file=${key}`,
    // Tokens and node taints are the business of controllers that do not run here.
    '--disable-admission-plugins=ServiceAccount,TaintNodesByCondition',
  ])
}

function run(place: ApiServerPlace, program: string, args: readonly string[]): void {
  place.children.push(spawnIn(place.namespace, [program, ...args], { stdio: 'ignore' }))
}

function kubeconfigText(server: string, authority: Buffer | undefined): string {
  const cluster = { server, ...(authority && { 'certificate-authority-data': authority.toString('base64') }) }
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'bench', cluster }],
    users: [{ name: 'bench', user: { token } }],
    contexts: [{ name: 'bench', context: { cluster: 'bench', user: 'bench' } }],
    'current-context': 'bench',
  })
}
