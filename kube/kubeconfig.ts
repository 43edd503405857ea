/**
 * A Connection from kubeconfig files, merged as kubectl merges them (the first file to set a name wins).
 * Entries are read by @kubernetes/client-node's config_types, the one part of it that comes without its generated API classes
 * (KubeConfig itself costs 90 MB of memory: it imports all of them). What config_types leaves out is read here.
 */
import { readFile } from 'node:fs/promises'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import type { Cluster, Context } from '@kubernetes/client-node/dist/config_types.js'
import type { Connection, ConnectionSource, TlsMaterial } from './server-access.ts'
import { fileText, fromBase64, messageOf } from './credential-file.ts'
import { UsageError } from './flags.ts'
import { proxyEnv } from './proxy-env.ts'
import { type KubeconfigUser, userCredentials } from './user-credentials.ts'

interface Kubeconfig {
  currentContext: string
  clusters: Map<string, Cluster>
  contexts: Map<string, Context>
  users: Map<string, KubeconfigUser>
}

/** The files that KUBECONFIG names. */
export function kubeconfigPaths(value: string): string[] {
  return value.split(delimiter).filter((path) => path !== '')
}

/** Throws UsageError, which names the file and what to do. */
export async function kubeconfigConnection(paths: readonly string[], source: ConnectionSource): Promise<Connection> {
  const found = await Promise.all(paths.map(readKubeconfig))
  const configs = found.filter((config) => config !== undefined)
  const where = `kubeconfig ${paths.join(delimiter)}`
  if (configs.length === 0) {
    throw new UsageError(`${where}: no such file; pass --kubeconfig FILE or set KUBECONFIG`)
  }
  const merged: Kubeconfig = {
    currentContext: configs.find((config) => config.currentContext !== '')?.currentContext ?? '',
    clusters: merge(configs.map((config) => config.clusters)),
    contexts: merge(configs.map((config) => config.contexts)),
    users: merge(configs.map((config) => config.users)),
  }
  return connectionOf(merged, where, source)
}

async function connectionOf(config: Kubeconfig, where: string, source: ConnectionSource): Promise<Connection> {
  const contextName = source.context ?? config.currentContext
  const known = [...config.contexts.keys()].join(', ') || 'none'
  if (contextName === '') {
    throw new UsageError(`${where}: current-context is not set; pass --context (contexts in it: ${known})`)
  }
  const context = config.contexts.get(contextName)
  if (!context) throw new UsageError(`${where}: no context "${contextName}" (contexts in it: ${known})`)
  const cluster = config.clusters.get(context.cluster)
  if (!cluster)
    throw new UsageError(
      `${where}: context "${contextName}" names the cluster "${context.cluster}", which is not in it`,
    )
  const user = context.user ? config.users.get(context.user) : undefined
  if (context.user && !user) {
    throw new UsageError(`${where}: context "${contextName}" names the user "${context.user}", which is not in it`)
  }
  const server = serverUrl(cluster, where)
  const proxy = proxyEnv(server, cluster.proxyUrl, source.env)
  return {
    server,
    tls: await clusterTls(cluster, where),
    ...(proxy && { proxyEnv: proxy }),
    namespace: context.namespace ?? 'default',
    credentials: await userCredentials(user, cluster, where),
  }
}

function serverUrl(cluster: Cluster, where: string): URL {
  const url = URL.canParse(cluster.server) ? new URL(cluster.server) : undefined
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url
  throw new UsageError(
    `${where}: cluster "${cluster.name}" has the server "${cluster.server}", which is no http(s) URL`,
  )
}

async function clusterTls(cluster: Cluster, where: string): Promise<TlsMaterial> {
  const ca = cluster.caData ? fromBase64(cluster.caData) : await caFile(cluster, where)
  return {
    ...(ca !== undefined && { ca }),
    ...(cluster.tlsServerName && { servername: cluster.tlsServerName }),
    ...(cluster.skipTLSVerify && { rejectUnauthorized: false }),
  }
}

async function caFile(cluster: Cluster, where: string): Promise<string | undefined> {
  if (!cluster.caFile) return undefined
  return fileText(cluster.caFile)(true).catch((cause: unknown) => {
    throw new UsageError(`${where}: certificate-authority of cluster "${cluster.name}": ${messageOf(cause)}`, { cause })
  })
}

/** Undefined when there is no such file. Relative paths in it become relative to it. */
async function readKubeconfig(path: string): Promise<Kubeconfig | undefined> {
  const text = await readFile(path, 'utf8').catch((cause: unknown) => {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined
    throw new UsageError(`kubeconfig ${path}: ${messageOf(cause)}`, { cause })
  })
  if (text === undefined) return undefined
  const document = await parseDocument(text, path)
  const { newClusters, newContexts, newUsers } = await import('@kubernetes/client-node/dist/config_types.js')
  try {
    const clusters = newClusters(document['clusters']).map((cluster) => ({
      ...cluster,
      ...(cluster.caFile && { caFile: besides(path, cluster.caFile) }),
    }))
    const users = newUsers(document['users']).map((user, at) => ({
      ...user,
      ...restOfUser(document['users'], at, path),
      ...(user.certFile && { certFile: besides(path, user.certFile) }),
      ...(user.keyFile && { keyFile: besides(path, user.keyFile) }),
    }))
    const current = document['current-context']
    return {
      currentContext: typeof current === 'string' ? current : '',
      clusters: byName(clusters),
      contexts: byName(newContexts(document['contexts'])),
      users: byName(users),
    }
  } catch (cause) {
    throw new UsageError(`kubeconfig ${path}: ${messageOf(cause)}`, { cause })
  }
}

async function parseDocument(text: string, path: string): Promise<Record<string, unknown>> {
  let document: unknown
  try {
    // JSON is YAML; reading it as such spares the 13 MB of the YAML parser.
    document = text.trimStart().startsWith('{') ? JSON.parse(text) : (await import('yaml')).parse(text)
  } catch (cause) {
    throw new UsageError(`kubeconfig ${path}: not YAML: ${messageOf(cause).split('\n')[0]}`, { cause })
  }
  if (typeof document === 'object' && document !== null && 'clusters' in document) return { ...document }
  throw new UsageError(`kubeconfig ${path}: not a kubeconfig (no clusters in it)`)
}

/** `tokenFile`, `as-groups`, `as-uid`, and an exec command that is relative to the file (client-go: a path, not a bare name). */
function restOfUser(users: unknown, at: number, path: string): Partial<KubeconfigUser> {
  const entry: { user?: Record<string, unknown> } = Array.isArray(users) ? users[at] : {}
  const { tokenFile, exec, 'as-groups': groups, 'as-uid': uid } = entry.user ?? {}
  return {
    ...(typeof tokenFile === 'string' && { tokenFile: besides(path, tokenFile) }),
    ...(Array.isArray(groups) && { impersonateGroups: groups.map(String) }),
    ...(typeof uid === 'string' && { impersonateUid: uid }),
    ...(isRecord(exec) && { exec: { ...exec, command: commandPath(exec['command'], path) } }),
  }
}

function commandPath(command: unknown, kubeconfig: string): unknown {
  return typeof command === 'string' && command.includes('/') ? besides(kubeconfig, command) : command
}

function besides(kubeconfig: string, file: string): string {
  return isAbsolute(file) ? file : join(dirname(kubeconfig), file)
}

function byName<T extends { name: string }>(entries: readonly T[]): Map<string, T> {
  return merge([new Map(entries.toReversed().map((entry) => [entry.name, entry]))])
}

/** The first to set a name wins. */
function merge<T>(maps: readonly Map<string, T>[]): Map<string, T> {
  return new Map(maps.toReversed().flatMap((map) => [...map]))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
