/** Reads a configuration in tests. */
import assert from 'node:assert/strict'
import { parse } from 'yaml'
import { UsageError } from '../../kube/flags.ts'
import { type Job, parseConfig } from './config.ts'

export const isRefusal = (message: RegExp) => (error: unknown) =>
  error instanceof UsageError && message.test(error.message) && !error.message.includes('\n')

export function parsed(argv: readonly string[], yaml?: string): Job {
  const file = yaml === undefined ? undefined : { path: 'proxy.yaml', text: yaml, document: parse(yaml) as unknown }
  const result = parseConfig(argv, file)
  assert.ok('config' in result)
  return result
}

const head = 'apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n'

export const fromFile = (yaml: string, ...argv: string[]) => parsed(['--config=proxy.yaml', ...argv], head + yaml)
