/**
 * The connection of a Pod: its service account's token (rotated by the kubelet, so read again), CA and namespace.
 * https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/
 */
import { readFile } from 'node:fs/promises'
import type { Connection } from './server-access.ts'
import { fileText } from './credential-file.ts'

const folder = '/var/run/secrets/kubernetes.io/serviceaccount'

/** Undefined when this is not a Pod with a service account. */
export async function inClusterConnection(
  env: Readonly<Record<string, string | undefined>>,
  secrets = folder,
): Promise<Connection | undefined> {
  const host = env['KUBERNETES_SERVICE_HOST']
  const port = env['KUBERNETES_SERVICE_PORT']
  if (!host || !port) return undefined
  const [ca, namespace] = await Promise.all([
    readFile(`${secrets}/ca.crt`, 'utf8').catch(() => undefined),
    readFile(`${secrets}/namespace`, 'utf8').catch(() => 'default'),
  ])
  if (ca === undefined) return undefined
  const token = fileText(`${secrets}/token`)
  return {
    server: new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`),
    tls: { ca },
    namespace: namespace.trim(),
    credentials: async (refresh) => ({ headers: { authorization: `Bearer ${await token(refresh)}` } }),
  }
}
