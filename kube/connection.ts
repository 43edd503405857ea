/**
 * Finds the API server and what proves who we are (a Connection, see server-access.ts) for createHttpClient.
 * kubeconfig.ts and in-cluster.ts read files; plainConnection makes one without credentials for the sandbox and for tests.
 */
import { UsageError } from './flags.ts'
import { inClusterConnection } from './in-cluster.ts'
import { kubeconfigConnection, kubeconfigPaths } from './kubeconfig.ts'
import type { Connection, ConnectionSource } from './server-access.ts'

export type { Connection } from './server-access.ts'

/**
 * Finds the connection as kubectl does: `--kubeconfig`, then KUBECONFIG (a list, the first to set a name wins), then the
 * Pod's service account, then `~/.kube/config`. Throws UsageError that names the file and what to do.
 */
export async function loadConnection(source: ConnectionSource): Promise<Connection> {
  const { env } = source
  if (source.kubeconfig) return kubeconfigConnection([source.kubeconfig], source)
  if (env['KUBECONFIG']) return kubeconfigConnection(kubeconfigPaths(env['KUBECONFIG']), source)
  const inCluster = await inClusterConnection(env)
  if (inCluster && source.context === undefined) return inCluster
  const home = env['HOME']
  if (home === undefined || home === '') {
    throw new UsageError('no kubeconfig: pass --kubeconfig FILE or set KUBECONFIG (HOME is not set either)')
  }
  return kubeconfigConnection([`${home}/.kube/config`], source)
}

/** A connection without TLS or credentials: a URL, or a unix socket (`unix:/path` is understood as well). */
export function plainConnection(at: string | URL | { socketPath: string }): Connection {
  const text = typeof at === 'string' ? at : at instanceof URL ? at.href : `unix:${at.socketPath}`
  const socketPath = text.startsWith('unix:') ? text.slice('unix:'.length) : undefined
  return {
    server: new URL(socketPath === undefined ? text : 'http://localhost'),
    ...(socketPath !== undefined && { socketPath }),
    namespace: 'default',
    credentials: () => Promise.resolve({ headers: {} }),
  }
}
