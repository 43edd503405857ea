/** Services in manifests: YAML streams and JSON, also inside Lists, each with the line it begins at. Pure. */
import { isMap, isSeq, LineCounter, parseAllDocuments } from 'yaml'
import type { Node } from 'yaml'
import type { Service } from '../../kube/objects.ts'
import type { ServiceName } from './findings.ts'

export interface FoundService {
  service: Service
  at: ServiceName
}

/** Throws SyntaxError with file and line. Other kinds are passed over. */
export function servicesIn(text: string, file: string): FoundService[] {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, { lineCounter: lines })
  return (Array.isArray(documents) ? documents : []).flatMap((document) => {
    const broken = document.errors[0]
    if (broken !== undefined) {
      const { line } = lines.linePos(broken.pos[0])
      throw new SyntaxError(`${file}:${line}: ${broken.message.split('\n')[0] ?? ''}`)
    }
    return inNode(document.contents, file, lines)
  })
}

function inNode(node: Node | null, file: string, lines: LineCounter): FoundService[] {
  if (!isMap(node)) return []
  const items = node.get('items')
  if (String(node.get('kind')).endsWith('List') && isSeq(items)) {
    return items.items.flatMap((item) => inNode(item as Node, file, lines))
  }
  if (node.get('kind') !== 'Service' || node.get('apiVersion') !== 'v1') return []
  const object = node.toJSON() as Partial<Service>
  const { namespace = 'default', name = '' } = object.metadata ?? {}
  const service: Service = { ...object, metadata: strings(object.metadata), spec: object.spec ?? {} }
  return [{ service, at: { namespace, name, file, line: lines.linePos(node.range?.[0] ?? 0).line } }]
}

/** An annotation written without quotes (true, 10) comes as another type; the API server would refuse it, we read on. */
function strings(metadata: Service['metadata'] = {}): Service['metadata'] {
  const { annotations } = metadata
  if (annotations === undefined || annotations === null) return metadata
  const given: Record<string, unknown> = annotations
  const texts = Object.entries(given).map(([key, value]): [string, string] => [key, String(value)])
  return { ...metadata, annotations: Object.fromEntries(texts) }
}
