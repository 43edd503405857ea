/** docs/reference/custom-resources.md: the fields of the custom resources, from their schemas. */
import { parse } from 'yaml'
import { crdTexts } from '../../crds/texts.ts'
import { markdownTable } from './markdown.ts'

interface Schema {
  description?: string
  type?: string
  format?: string
  enum?: readonly unknown[]
  default?: unknown
  required?: readonly string[]
  properties?: Readonly<Record<string, Schema>>
  items?: Schema
  additionalProperties?: Schema
}

interface Definition {
  spec: {
    scope: string
    names: { kind: string; plural: string; shortNames?: readonly string[] }
    group: string
    versions: readonly { name: string; schema: { openAPIV3Schema: Schema } }[]
  }
}

export async function customResourcesPage(): Promise<string> {
  const sections = (await crdTexts()).map((text) => section(parse(text) as Definition))
  return `# Custom resources\n\n${sections.join('\n')}`
}

function section({ spec }: Definition): string {
  const version = spec.versions[0]
  const schema = version?.schema.openAPIV3Schema ?? {}
  const short = spec.names.shortNames?.length ? `, short: ${spec.names.shortNames.join(', ')}` : ''
  const rows = ['spec', 'status'].flatMap((part) => {
    const sub = schema.properties?.[part]
    return sub === undefined ? [] : fields(part, sub, schema.required?.includes(part) ?? false)
  })
  return `## ${spec.names.kind}

\`${spec.group}/${version?.name}\`, ${spec.scope.toLowerCase()}, \`kubectl get ${spec.names.plural}\`${short}

${schema.description ?? ''}

${markdownTable(['field', 'type', 'default', 'meaning'], rows)}
`
}

function fields(path: string, schema: Schema, required: boolean): string[][] {
  const own = [
    `\`${path}\`${required ? ' (required)' : ''}`,
    typeName(schema),
    schema.default === undefined ? '' : `\`${JSON.stringify(schema.default)}\``,
    schema.description ?? '',
  ]
  const object = schema.type === 'array' ? schema.items : schema
  const inner = Object.entries(object?.properties ?? {}).flatMap(([name, sub]) =>
    fields(`${path}${schema.type === 'array' ? '[]' : ''}.${name}`, sub, object?.required?.includes(name) ?? false),
  )
  return [own, ...inner]
}

function typeName(schema: Schema): string {
  if (schema.enum !== undefined) return schema.enum.map(String).join(', ')
  if (schema.type === 'array') return `list of ${typeName(schema.items ?? {})}`
  if (schema.additionalProperties !== undefined) return `map of ${typeName(schema.additionalProperties)}`
  return schema.type ?? ''
}
