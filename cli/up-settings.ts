/** The flags of `roadstead up`, checked whole before anything is started. */
import { readFileSync } from 'node:fs'
import { parseFlags, UsageError } from '../kube/flags.ts'
import type { KubeObject } from '../kube/objects.ts'
import { readManifests } from '../sandbox/manifests.ts'

export interface Publication {
  /** Port on the machine's loopback. */
  localPort: number
  namespace: string
  service: string
  /** Number or name of a port of the Service. */
  port: number | string
}

export interface UpSettings {
  name: string
  nodes: number
  manifests: readonly { file: string; objects: readonly KubeObject[] }[]
  publications: readonly Publication[]
  apiPort: number
}

export const upHelp = `Usage: roadstead up [flags]     (npm start -- [flags])

Starts a whole small cluster on this Linux machine and keeps it until Ctrl-C: API server, nodes and Pods as network namespaces, cluster DNS,
the operator, a proxy per node, and a local cloud whose load balancers carry real TCP and UDP.

  -f, --file FILE            apply this manifest instead of the sample; may be repeated
      --publish LOCAL=SVC:PORT  a Service's port on this machine's loopback, for example 8080=web:80 or 8080=shop/web:http; may be repeated
      --nodes N              nodes, 1 to 20 (default 3)
      --name NAME            name of this sandbox, so that several can run side by side (default sandbox)
      --api-port PORT        port of the API server on loopback (default: a free one)
`

const sample = new URL('../sandbox/samples/web.yaml', import.meta.url)

/** Throws UsageError. */
export function upSettings(argv: readonly string[]): UpSettings | 'help' {
  const { values } = parseFlags(argv, {
    help: { type: 'boolean', short: 'h' },
    file: { type: 'string', short: 'f', multiple: true },
    publish: { type: 'string', multiple: true },
    nodes: { type: 'string', default: '3' },
    name: { type: 'string', default: 'sandbox' },
    'api-port': { type: 'string', default: '0' },
  })
  if (values['help'] === true) return 'help'
  const name = String(values['name'])
  if (!/^[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?$/.test(name))
    throw new UsageError(`--name ${JSON.stringify(name)}: use lower case letters, digits and dashes, at most 20`)
  const files = (values['file'] ?? []) as string[]
  return {
    name,
    nodes: wholeNumber('--nodes', String(values['nodes']), 1, 20),
    apiPort: wholeNumber('--api-port', String(values['api-port']), 0, 65535),
    manifests:
      files.length > 0
        ? files.map((file) => ({ file, objects: readManifests(textOf(file), file) }))
        : [{ file: 'sample', objects: readManifests(readFileSync(sample, 'utf8'), 'the sample') }],
    publications: ((values['publish'] ?? []) as string[]).map(publication),
  }
}

function publication(text: string): Publication {
  const match = /^(\d{1,5})=(?:([a-z0-9-]+)\/)?([a-z0-9-]+):([a-z0-9-]+)$/.exec(text)
  const localPort = Number(match?.[1])
  const port = match?.[4] ?? ''
  if (!match || localPort < 1 || localPort > 65535)
    throw new UsageError(`--publish ${JSON.stringify(text)}: expected LOCALPORT=SERVICE:PORT, for example 8080=web:80`)
  return {
    localPort,
    namespace: match[2] ?? 'default',
    service: match[3] ?? '',
    port: /^\d+$/.test(port) ? Number(port) : port,
  }
}

function wholeNumber(flag: string, text: string, from: number, to: number): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < from || value > to)
    throw new UsageError(`${flag} ${JSON.stringify(text)}: expected a whole number from ${from} to ${to}`)
  return value
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = error instanceof Error ? Reflect.get(error, 'code') : undefined
    throw new UsageError(
      `cannot read ${file}: ${code === 'ENOENT' ? 'there is no such file' : String(code ?? error)}`,
      {
        cause: error,
      },
    )
  }
}
