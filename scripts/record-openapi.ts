/**
 * Records the schemas of the kinds that the sandbox's API server has:  node scripts/record-openapi.ts [--check] FOLDER
 * FOLDER holds the executables kube-apiserver and etcd (v1.36). Writes sandbox/apiserver/schema/definitions.json: each kind of the table below,
 * followed by what it refers to. With --check nothing is written and the exit code is 1 where the file is not what the server says.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { isDeepStrictEqual, parseArgs } from 'node:util'
import { sendTo } from '../integration/apiserver/send.ts'
import { startRealApiServer } from './real-apiserver.ts'

/** Types with a document of their own, in the order of the file, by the document of `/openapi/v3` that has them. */
const wanted: readonly [document: string, ...types: string[]][] = [
  [
    'api/v1',
    ...['ConfigMap', 'Endpoints', 'Event', 'Namespace', 'Node', 'Pod', 'Secret', 'Service', 'ServiceAccount'].map(
      (kind) => `io.k8s.api.core.v1.${kind}`,
    ),
  ],
  ['apis/apps/v1', 'io.k8s.api.apps.v1.Deployment'],
  ['apis/discovery.k8s.io/v1', 'io.k8s.api.discovery.v1.EndpointSlice'],
  ['apis/coordination.k8s.io/v1', 'io.k8s.api.coordination.v1.Lease'],
  ['apis/apiextensions.k8s.io/v1', 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition'],
  ['apis/apps/v1', 'io.k8s.api.autoscaling.v1.Scale'],
  // Every document has DeleteOptions, each with groups and versions of its own.
  ['apis/apiextensions.k8s.io/v1', 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions'],
]

type Schemas = Readonly<Record<string, unknown>>

const file = new URL('../sandbox/apiserver/schema/definitions.json', import.meta.url)
const { values, positionals } = parseArgs({ allowPositionals: true, options: { check: { type: 'boolean' } } })
const [folder] = positionals
if (folder === undefined) {
  console.error('usage: node scripts/record-openapi.ts [--check] FOLDER   (FOLDER holds kube-apiserver and etcd)')
  process.exit(2)
}
const real = await startRealApiServer(folder)
try {
  const recorded = await record(sendTo(real.url, real.token))
  const count = `${Object.keys(recorded).length} definitions`
  if (values.check === true) {
    const same = sameInOrder(recorded, JSON.parse(readFileSync(file, 'utf8')))
    console.log(same ? `${count}, as recorded` : `${file.pathname} is not what the server says: record it anew`)
    process.exitCode = same ? 0 : 1
  } else {
    writeFileSync(file, JSON.stringify(recorded))
    execFileSync(new URL('../node_modules/.bin/biome', import.meta.url).pathname, ['format', '--write', file.pathname])
    console.log(count)
  }
} finally {
  await real.stop()
}

async function record(send: ReturnType<typeof sendTo>): Promise<Schemas> {
  const found: Record<string, unknown> = {}
  for (const [document, ...types] of wanted) {
    const { code, body } = await send('GET', `/openapi/v3/${document}`, '', undefined)
    if (code !== 200) throw new Error(`/openapi/v3/${document} was answered with ${code}`)
    const { components } = body as { components: { schemas: Schemas } }
    for (const type of types) follow(type, components.schemas, found)
  }
  return found
}

/** A type, then in the order of its fields the types it refers to. */
function follow(type: string, schemas: Schemas, found: Record<string, unknown>): void {
  if (Object.hasOwn(found, type)) return
  const schema = schemas[type]
  if (schema === undefined) throw new Error(`the server has no type ${type}`)
  found[type] = schema
  for (const other of references(schema)) follow(other, schemas, found)
}

/** `{ "$ref": "#/components/schemas/<type>" }`, anywhere within. A field may have the name $ref, too. */
function references(schema: unknown): string[] {
  if (typeof schema !== 'object' || schema === null) return []
  return Object.entries(schema).flatMap(([key, value]: [string, unknown]) =>
    key === '$ref' && typeof value === 'string' ? [value.slice(value.lastIndexOf('/') + 1)] : references(value),
  )
}

/** The order of fields counts: it is what `kubectl explain` prints. */
function sameInOrder(recorded: Schemas, held: unknown): boolean {
  return isDeepStrictEqual(recorded, held) && JSON.stringify(recorded) === JSON.stringify(held)
}
