/** helm as a person would run it, with no state of its own, and what a chart renders as objects. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import type { KubeObject } from '../../kube/objects.ts'
import { toolPath } from '../../scripts/requires.ts'
import { projectRoot } from '../../scripts/source-files.ts'

export const chart = join(projectRoot, 'charts/roadstead')

export interface Ran {
  code: number
  out: string
  err: string
}

/** A rendered object with the parts that tests look into. */
export interface Rendered extends KubeObject {
  spec?: unknown
  data?: Record<string, string>
  rules?: { apiGroups: string[]; resources: string[]; verbs: string[]; resourceNames?: string[] }[]
}

/** The least that the chart has to be told. */
export const leastValues = { clusterId: 'test', providers: { aws: { enabled: true } } }

/** `values` go in as a file in front of further arguments. */
export async function helm(args: readonly string[], values?: object, kubeconfig = '/dev/null'): Promise<Ran> {
  const folder = await mkdtemp(join(tmpdir(), 'roadstead-helm-'))
  try {
    const file = join(folder, 'values.json')
    await writeFile(file, JSON.stringify(values ?? {}))
    const env = { PATH: toolPath(), HOME: folder, KUBECONFIG: kubeconfig }
    const argv = values === undefined ? [...args] : [...args, '--values', file]
    return await new Promise((resolve) => {
      execFile('helm', argv, { env, cwd: projectRoot, maxBuffer: 1 << 26 }, (error, out, err) => {
        resolve({ code: error === null ? 0 : typeof error.code === 'number' ? error.code : 1, out, err })
      })
    })
  } finally {
    await rm(folder, { recursive: true })
  }
}

export async function template(values: object = leastValues, more: readonly string[] = []): Promise<string> {
  const ran = await helm(['template', 'rs', chart, '--namespace', 'roadstead-system', ...more], values)
  if (ran.code !== 0) throw new Error(ran.err)
  return ran.out
}

export async function render(values: object = leastValues, more: readonly string[] = []): Promise<Rendered[]> {
  return objectsIn(await template(values, more))
}

/** The objects of a YAML stream. */
export function objectsIn(text: string): Rendered[] {
  const documents = parseAllDocuments(text)
  return (Array.isArray(documents) ? documents : [])
    .map((document) => document.toJS() as Rendered | null)
    .filter((object) => object !== null)
}

/** The only object of a kind; throws when there is none or several. */
export function ofKind(objects: readonly Rendered[], kind: string): Rendered {
  const [found, ...more] = objects.filter((object) => object.kind === kind)
  if (found === undefined || more.length > 0) throw new Error(`not one object of kind ${kind}`)
  return found
}
