/**
 * A LoadBalancerSpec as objects of the memory cloud, pure: a load balancer, one target group, one listener per port.
 * With the parameter `shared-document` the placement also writes a fragment into that document, so that the
 * reconcilers' shared path can be tested without a real cloud.
 */
import { ownerKey } from '../contract.ts'
import type {
  Assembled,
  DocumentKey,
  Fragment,
  JsonObject,
  Lowered,
  LoadBalancerSpec,
  Owner,
  Reason,
  Resource,
  Unsupported,
} from '../contract.ts'

export function lower(spec: LoadBalancerSpec): Lowered | Unsupported {
  const reasons = spec.ports.flatMap(({ protocol, port, nodePort }): Reason[] => {
    if (protocol === 'SCTP') {
      const message = `port ${port}: SCTP cannot be balanced; use TCP or UDP`
      return [{ reason: 'UnsupportedProtocol', message, port: { port, protocol } }]
    }
    if (nodePort === 0 && spec.parameters['mode'] !== 'passthrough') {
      const message = `port ${port} has no node port; allow node ports or set the class parameter mode to passthrough`
      return [{ reason: 'NodePortRequired', message, port: { port, protocol } }]
    }
    return []
  })
  if (reasons.length > 0) return { kind: 'unsupported', reasons }
  const wanted = { owner: spec.owner, state: 'ready' as const }
  const balancer = `load-balancer/${spec.scheme}`
  const targets = [...spec.nodes]
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, addresses }) => ({ node: name, addresses: [...addresses] }))
  return {
    kind: 'lowered',
    own: [
      {
        ...wanted,
        kind: 'load-balancer',
        key: balancer,
        needs: [],
        immutable: { scheme: spec.scheme },
        mutable: { families: [...spec.families] },
        drain: { seconds: spec.deleteDrainSeconds ?? 0 },
      },
      {
        ...wanted,
        kind: 'target-group',
        key: 'target-group',
        needs: [],
        immutable: {},
        mutable: { targets, healthCheck: { ...spec.healthCheck }, policy: spec.policy },
      },
      ...listeners(spec).map((listener) => ({
        ...wanted,
        kind: 'listener',
        needs: [balancer, 'target-group'],
        ...listener,
      })),
    ],
    fragments: fragments(spec),
  }
}

function listeners(spec: LoadBalancerSpec) {
  return [...spec.ports]
    .sort((a, b) => a.port - b.port || (a.protocol < b.protocol ? -1 : 1))
    .map(({ protocol, port, nodePort }) => ({
      key: `listener/${spec.scheme}/${protocol.toLowerCase()}/${port}`,
      immutable: { protocol, port },
      mutable: {
        nodePort,
        sourceRanges: [...spec.sourceRanges].sort(),
        affinitySeconds: spec.affinity.kind === 'ClientIP' ? spec.affinity.timeoutSeconds : 0,
      },
    }))
}

function fragments(spec: LoadBalancerSpec): Fragment[] {
  const document = spec.parameters['shared-document']
  if (!document) return []
  const ports = spec.ports.map(({ protocol, port }) => `${protocol}/${port}`).sort()
  return [{ document, owner: spec.owner, content: { ports } }]
}

export function assemble(document: DocumentKey, fragments: readonly Fragment[]): Assembled {
  if (fragments.length === 0) return { resources: [] }
  const sorted = [...fragments].sort((a, b) => (ownerKey(a.owner) < ownerKey(b.owner) ? -1 : 1))
  const resource: Resource = {
    kind: 'document',
    key: document.document,
    owner: document,
    needs: [],
    immutable: {},
    mutable: { fragments: Object.fromEntries(sorted.map(({ owner, content }) => [ownerKey(owner), content])) },
    state: 'ready',
  }
  return { resources: [resource] }
}

/** What `assemble` wrote. */
export function fragmentsOf({ document }: DocumentKey, observed: readonly Resource[]): Fragment[] {
  return observed
    .filter(({ owner }) => 'document' in owner && owner.document === document)
    .flatMap(({ mutable }) => Object.entries((mutable['fragments'] ?? {}) as Record<string, JsonObject>))
    .map(([key, content]) => ({ document, owner: ownerOf(key), content }))
}

/** From the back: a cluster id may hold slashes, the rest cannot. */
function ownerOf(key: string): Owner {
  const parts = key.split('/')
  const [namespace = '', name = '', uid = ''] = parts.slice(-3)
  return { cluster: parts.slice(0, -3).join('/'), namespace, name, uid }
}
