/** The CustomResourceDefinitions as YAML texts, for whoever installs them: the sandbox, the Helm chart, `kubectl apply`. */
import { readFile } from 'node:fs/promises'

const files = ['load-balancer-class.yaml', 'load-balancer.yaml', 'node-port-pool.yaml']

/** One CustomResourceDefinition per text. */
export function crdTexts(): Promise<string[]> {
  return Promise.all(files.map((file) => readFile(new URL(file, import.meta.url), 'utf8')))
}
