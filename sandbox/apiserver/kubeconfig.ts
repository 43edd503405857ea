/** The kubeconfig of a server on plain HTTP: written whole or not at all, readable by its owner only. */
import { rename, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { stringify } from 'yaml'

export function kubeconfig(url: string, name: string): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name, cluster: { server: url } }],
    users: [{ name, user: {} }],
    contexts: [{ name, context: { cluster: name, user: name } }],
    'current-context': name,
  })
}

/** A reader sees the old file or the new one, never half of it. */
export async function writeKubeconfig(file: string, url: string, name: string): Promise<void> {
  const draft = join(dirname(file), `.kubeconfig-${process.pid}-${Date.now()}`)
  try {
    await writeFile(draft, kubeconfig(url, name), { mode: 0o600, flag: 'wx' })
    await rename(draft, file)
  } catch (error) {
    await rm(draft, { force: true })
    throw error
  }
}
