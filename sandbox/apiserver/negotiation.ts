/**
 * What the client wants to see: objects, a Table, or metadata only, as JSON or YAML. Protobuf and CBOR are passed over.
 * Source: k8s.io/apiserver/pkg/endpoints/handlers/negotiation.
 */
import { notAcceptable } from './failure.ts'
import type { ApiRequest } from './request.ts'
import type { IncludeObject } from './tables/table.ts'

export interface Wanted {
  as: 'object' | 'table' | 'metadata'
  format: 'json' | 'yaml'
  include: IncludeObject
}

const shapes: Readonly<Record<string, Wanted['as']>> = {
  Table: 'table',
  PartialObjectMetadata: 'metadata',
  PartialObjectMetadataList: 'metadata',
}

/** The first of the client's choices this server can give; 406 when there is none. */
export function negotiate({ headers, query }: ApiRequest): Wanted {
  const include = query.get('includeObject')
  const wanted: Wanted = {
    as: 'object',
    format: 'json',
    include: include === 'None' || include === 'Object' ? include : 'Metadata',
  }
  const accept = headers['accept'] ?? ''
  if (accept === '') return wanted
  for (const choice of accept.split(',')) {
    const [type = '', ...rest] = choice.split(';').map((part) => part.trim())
    const parameters = new Map(rest.map((part) => [part.split('=')[0] ?? '', part.split('=')[1] ?? '']))
    const shape = parameters.get('as')
    const as = shape === undefined ? 'object' : parameters.get('v') === 'v1' ? shapes[shape] : undefined
    if (as === undefined) continue
    if (type === 'application/yaml') return { ...wanted, as, format: 'yaml' }
    if (type === 'application/json' || type === '*/*' || type === 'application/*') return { ...wanted, as }
  }
  throw notAcceptable(['application/json', 'application/yaml'])
}
