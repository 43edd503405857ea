/**
 * Paths of the Kubernetes API to what they mean.
 *   /api/v1/[namespaces/NS/]PLURAL[/NAME[/SUBRESOURCE]]   /apis/GROUP/VERSION/...
 */
export interface ResourcePath {
  group: string
  version: string
  plural: string
  namespace: string | undefined
  name: string | undefined
  subresource: string
}

/** Undefined when the path is not a resource's. */
export function parseResourcePath(path: string): ResourcePath | undefined {
  const parts = path.split('/').filter((part) => part !== '')
  let decoded: string[]
  try {
    decoded = parts.map((part) => decodeURIComponent(part))
  } catch {
    return undefined
  }
  const core = decoded[0] === 'api'
  if (!core && decoded[0] !== 'apis') return undefined
  const group = core ? '' : decoded[1]
  const version = core ? decoded[1] : decoded[2]
  const rest = decoded.slice(core ? 2 : 3)
  if (group === undefined || version === undefined || rest.length === 0) return undefined
  if (rest[0] === 'namespaces' && rest.length >= 3 && !namespaceSubresources.has(rest[2] as string)) {
    const [, namespace, plural, name, ...more] = rest
    return { group, version, plural: plural as string, namespace, name, subresource: more.join('/') }
  }
  const [plural, name, ...more] = rest
  return { group, version, plural: plural as string, namespace: undefined, name, subresource: more.join('/') }
}

const namespaceSubresources: ReadonlySet<string> = new Set(['status', 'finalize'])
