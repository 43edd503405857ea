/** What the Helm chart has from elsewhere: the CustomResourceDefinitions, values.schema.json, and README.md with the table of values. */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parse } from 'yaml'
import { sourceFiles, projectRoot } from '../source-files.ts'
import { closedSchema, valueKeys, valuesSchema } from './chart-schema.ts'
import type { Schema, ValueKey } from './chart-schema.ts'
import { markdownTable } from './markdown.ts'

const chart = 'charts/roadstead'

interface Definition {
  spec: { versions: { schema: { openAPIV3Schema: Schema } }[] }
}

/** File name -> text. */
export async function chartFiles(): Promise<[string, string][]> {
  const keys = valueKeys(await read(`${chart}/values.yaml`))
  const definition = parse(await read('crds/load-balancer-class.yaml')) as Definition
  const spec = definition.spec.versions[0]?.schema.openAPIV3Schema.properties?.['spec'] ?? {}
  const schema = valuesSchema(keys, closedSchema(spec))
  const crds = sourceFiles('crds', '.yaml').map((file): [string, string] => [
    `${chart}/files/${file}`,
    readFileSync(join(projectRoot, file), 'utf8'),
  ])
  return [
    ...crds,
    [`${chart}/values.schema.json`, `${JSON.stringify(schema, null, 2)}\n`],
    [`${chart}/README.md`, readme(keys, schema)],
  ]
}

function read(file: string): Promise<string> {
  return readFile(join(projectRoot, file), 'utf8')
}

function readme(keys: readonly ValueKey[], schema: Schema): string {
  return `<!-- Written by \`npm run docs\` from values.yaml. Do not edit. -->
# roadstead

The Roadstead operator: real load balancers for Kubernetes Services of type LoadBalancer, in one cloud or several.

\`\`\`
helm install roadstead charts/roadstead --namespace roadstead --create-namespace \\
  --set clusterId=CLUSTER --set providers.aws.enabled=true --set image.repository=IMAGE
\`\`\`

[docs/guides/install.md](../../docs/guides/install.md) goes through it step by step: image, permissions, first Service, upgrade, removal.

- One install is enough: the operator waits for the CustomResourceDefinitions and then applies the classes itself.
- \`helm upgrade\` upgrades the CustomResourceDefinitions. \`helm uninstall\` leaves them, the classes and all load balancers alone.
- Two renderings with the same values are equal, byte for byte: nothing random, nothing read from the cluster.
- The roles grant exactly what the operator and the proxy call; tests compare them with their requests.
- The Pods of the operator pass Pod Security \`restricted\`. The proxy (off unless \`proxy.enabled\`) has to be in the network of its node
  and is privileged in its init container.
- An unknown or misspelt value is an error, not ignored.

## Values
${markdownTable(
  ['value', 'type', 'default', 'meaning'],
  keys.flatMap((key) => rows(key, schema.properties?.[key.path[0] ?? ''])),
)}
`
}

function rows(key: ValueKey, schema: Schema | undefined): string[][] {
  const row = [`\`${key.path.join('.')}\``, typeName(schema), shown(key), key.description]
  const inner = key.children.flatMap((child) => rows(child, sub(schema, child.path.at(-1) ?? '')))
  const settings = isSettings(key) ? Object.entries(schema?.properties ?? {}) : []
  const named = settings.map(([name, { description = '' }]) => [
    `\`${key.path.join('.')}.${name}\``,
    'string',
    '',
    description,
  ])
  return [...(key.description === '' ? [] : [row]), ...inner, ...named]
}

/** Their keys are the registry's; values.yaml names none. */
function isSettings({ path }: ValueKey): boolean {
  return path[0] === 'providers' && path[2] === 'settings'
}

function sub(schema: Schema | undefined, name: string): Schema | undefined {
  const more = schema?.additionalProperties
  return schema?.properties?.[name] ?? (typeof more === 'object' ? more : undefined)
}

function typeName(schema: Schema | undefined): string {
  if (schema?.enum !== undefined) return schema.enum.map(String).join(', ')
  if (schema?.type === 'array') return `list of ${typeName(schema.items)}s`
  const { type = '' } = schema ?? {}
  return typeof type === 'string' ? type : type.join(' or ')
}

function shown({ value, children }: ValueKey): string {
  return children.some(({ description, children: inner }) => description !== '' || inner.length > 0)
    ? ''
    : `\`${JSON.stringify(value)}\``
}
