/**
 * What a kubeconfig user proves itself with: tokens, client certificates, basic auth, an exec plugin (EKS, GKE, AKS) or an
 * auth-provider (OIDC). Files are read again when they may have been rotated; plugins run again when their token ends or is refused.
 */
import type { Cluster, User } from '@kubernetes/client-node/dist/config_types.js'
import { ConnectionError } from './api-failure.ts'
import type { Credentials } from './server-access.ts'
import { fileText, fromBase64, messageOf } from './credential-file.ts'
import { UsageError } from './flags.ts'

/** A user entry with the fields that client-node's parser does not read. */
export interface KubeconfigUser extends User {
  readonly tokenFile?: string
  readonly impersonateGroups?: readonly string[]
  readonly impersonateUid?: string
}

type CredentialSource = (refresh: boolean) => Promise<Credentials>

/** Throws UsageError for a user that cannot work at all. */
export async function userCredentials(
  user: KubeconfigUser | undefined,
  cluster: Cluster,
  where: string,
): Promise<CredentialSource> {
  if (!user) return async () => ({ headers: {} })
  const impersonation = impersonationHeaders(user)
  const source = await sourceOf(user, cluster, where)
  return async (refresh) => {
    const { headers, tls } = await source(refresh)
    return { headers: { ...headers, ...impersonation }, ...(tls && { tls }) }
  }
}

async function sourceOf(user: KubeconfigUser, cluster: Cluster, where: string): Promise<CredentialSource> {
  if (user.exec) return oneAtATime(await execCredentials(user, cluster))
  if (user.authProvider) return oneAtATime(providerCredentials(user, cluster))
  const certificate = certificateSource(user)
  // client-go: tokenFile is preferred to token, so that rotation works.
  const token = user.tokenFile ? fileText(user.tokenFile) : () => Promise.resolve(user.token)
  const source: CredentialSource = async (refresh) => {
    const [bearer, tls] = await Promise.all([token(refresh), certificate(refresh)])
    const basic = user.username ? `Basic ${btoa(`${user.username}:${user.password ?? ''}`)}` : undefined
    const authorization = bearer ? `Bearer ${bearer}` : basic
    return { headers: authorization ? { authorization } : {}, ...(tls && { tls }) }
  }
  try {
    await source(false)
  } catch (cause) {
    throw new UsageError(`${where}: user "${user.name}": ${messageOf(cause)}`, { cause })
  }
  return source
}

function certificateSource(user: KubeconfigUser): (refresh: boolean) => Promise<Credentials['tls'] | undefined> {
  const cert = user.certData ? constant(fromBase64(user.certData)) : user.certFile ? fileText(user.certFile) : undefined
  const key = user.keyData ? constant(fromBase64(user.keyData)) : user.keyFile ? fileText(user.keyFile) : undefined
  if (!cert || !key) return () => Promise.resolve(undefined)
  return async (refresh) => ({ cert: await cert(refresh), key: await key(refresh) })
}

const constant = (text: string) => () => Promise.resolve(text)

/** https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins */
async function execCredentials(user: KubeconfigUser, cluster: Cluster): Promise<CredentialSource> {
  const { ExecAuth } = await import('@kubernetes/client-node/dist/exec_auth.js')
  const plugin: { command?: string; env?: object[]; apiVersion?: string; provideClusterInfo?: boolean } = user.exec
  const spec = {
    interactive: false,
    ...(plugin.provideClusterInfo && { cluster: execCluster(cluster) }),
  }
  const info = { apiVersion: plugin.apiVersion, kind: 'ExecCredential', spec }
  // client-node does not set this variable; gke-gcloud-auth-plugin and others refuse to run without it.
  const variable = { name: 'KUBERNETES_EXEC_INFO', value: JSON.stringify(info) }
  const asked = { ...user, exec: { ...plugin, env: [...(plugin.env ?? []), variable] } }
  let auth = new ExecAuth()
  return async (refresh) => {
    if (refresh) auth = new ExecAuth()
    const options: { headers: Record<string, string>; cert?: string; key?: string } = { headers: {} }
    try {
      await auth.applyAuthentication(asked, options)
    } catch (cause) {
      throw new ConnectionError(`credential command "${plugin.command}" of user "${user.name}": ${messageOf(cause)}`, {
        cause,
      })
    }
    const { headers, cert, key } = options
    return { headers: lowerCased(headers), ...(cert && key && { tls: { cert, key } }) }
  }
}

function execCluster(cluster: Cluster): object {
  return {
    server: cluster.server,
    'tls-server-name': cluster.tlsServerName,
    'insecure-skip-tls-verify': cluster.skipTLSVerify || undefined,
    'certificate-authority-data': cluster.caData,
    'proxy-url': cluster.proxyUrl,
  }
}

/** OIDC and the providers that client-go has dropped: rare, so all of client-node is loaded only when one is configured. */
function providerCredentials(user: KubeconfigUser, cluster: Cluster): CredentialSource {
  const load = async () => {
    const { KubeConfig } = await import('@kubernetes/client-node/dist/config.js')
    const config = new KubeConfig()
    config.loadFromClusterAndUser(cluster, user)
    return config
  }
  let config: ReturnType<typeof load> | undefined
  return async (refresh) => {
    if (refresh) config = undefined
    const options: { headers: Record<string, string> } = { headers: {} }
    try {
      await (await (config ??= load())).applyToHTTPSOptions(options)
    } catch (cause) {
      throw new ConnectionError(`auth-provider of user "${user.name}": ${messageOf(cause)}`, { cause })
    }
    return { headers: lowerCased(options.headers) }
  }
}

/** Many requests that start together wait for one run of the plugin. */
function oneAtATime(source: CredentialSource): CredentialSource {
  let running: Promise<Credentials> | undefined
  return (refresh) => {
    running ??= source(refresh).finally(() => {
      running = undefined
    })
    return running
  }
}

function lowerCased(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function impersonationHeaders(user: KubeconfigUser): Credentials['headers'] {
  return {
    ...(user.impersonateUser && { 'impersonate-user': user.impersonateUser }),
    ...(user.impersonateGroups?.length && { 'impersonate-group': [...user.impersonateGroups] }),
    ...(user.impersonateUid && { 'impersonate-uid': user.impersonateUid }),
  }
}
