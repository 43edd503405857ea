/**
 * The ownership mark of AWS objects, as tags that stand in the create call itself. An object without the mark of our cluster is never
 * changed. The IAM policies bind mutations to the value of the cluster tag.
 */
import type { DocumentKey, Owner, Reason } from '../contract.ts'
import { digest, keyDigest } from './names.ts'
import type { Attributes, AwsResource, Tags } from './resources.ts'
import { isRecordTag } from './target-record.ts'

export const clusterTag = 'roadstead.dev/cluster'
const serviceTag = 'roadstead.dev/service'
const uidTag = 'roadstead.dev/uid'
/** Key of the resource within its owner. */
export const resourceTag = 'roadstead.dev/resource'
const documentTag = 'roadstead.dev/document'
/** Digests of the keys that the user asked for: what has gone from the wish is taken off, tags of others stay. */
const extraTag = 'roadstead.dev/extra-tags'
/** On objects with attributes that were asked for: their attributes are read before anything is compared. */
export const attributesTag = 'roadstead.dev/attributes'
/** Value of that tag where deletion protection is among them. */
export const protectedMark = 'set protected'
/** Prefixes for source NAT that the user gave: without it AWS has chosen those that stand. */
export const sourceNatTag = 'roadstead.dev/source-nat-prefixes'
/** Digest of the subnets that were asked for; without it they were discovered. */
export const subnetsTag = 'roadstead.dev/subnets'
/** Units of capacity on load balancers that have or had them reserved: only those are asked for it. */
export const capacityTag = 'roadstead.dev/capacity-units'
/** On load balancers whose address is published before targets and listeners stand. */
export const earlyTag = 'roadstead.dev/early-address'

/** On load balancers: how long they stay without listeners before they are deleted, and since when they do (RFC 3339). */
export const deleteDrainTag = 'roadstead.dev/delete-drain-seconds'
export const drainingSinceTag = 'roadstead.dev/draining-since'

/** https://docs.aws.amazon.com/general/latest/gr/aws_tagging.html; cannot be raised. */
export const tagsPerResource = 50
/** The others are kept for the mark. */
export const extraTagsLimit = 38

export interface MarkOptions {
  /** Tags the user asked for. */
  extra?: Tags
  attributes?: Attributes | undefined
  early?: boolean
  sourceNatPrefixes?: readonly string[]
  subnets?: readonly string[]
  capacityUnits?: number
}

export function ownerTags(
  owner: Owner,
  key: string,
  { extra = {}, attributes, early, sourceNatPrefixes = [], subnets = [], capacityUnits = 0 }: MarkOptions = {},
): Tags {
  const names = Object.keys(extra).sort()
  return {
    ...extra,
    [clusterTag]: owner.cluster,
    [serviceTag]: `${owner.namespace}/${owner.name}`,
    [uidTag]: owner.uid,
    [resourceTag]: key,
    ...(names.length > 0 ? { [extraTag]: names.map(keyDigest).join('') } : {}),
    ...(attributes
      ? { [attributesTag]: attributes['deletion_protection.enabled'] === 'true' ? protectedMark : 'set' }
      : {}),
    ...(early ? { [earlyTag]: 'true' } : {}),
    ...(capacityUnits > 0 ? { [capacityTag]: String(capacityUnits) } : {}),
    ...(subnets.length > 0 ? { [subnetsTag]: digest([...subnets]) } : {}),
    ...(sourceNatPrefixes.length > 0 ? { [sourceNatTag]: sourceNatPrefixes.join(' ') } : {}),
  }
}

export function documentTags(cluster: string, document: DocumentKey, key: string): Tags {
  return { [clusterTag]: cluster, [documentTag]: document.document, [resourceTag]: key }
}

/** Of the object with the most: the mark, the user's tags and the record of targets together, with room for what comes and goes. */
export function tooManyTags(resources: readonly AwsResource[]): Reason[] {
  const crowded = resources
    .flatMap((resource) => (resource.kind === 'node-rules' ? [] : [tagCount(resource)]))
    .toSorted((a, b) => b.count - a.count)[0]
  if (crowded === undefined || crowded.count <= tagsPerResource) return []
  const { key, count, own, records } = crowded
  const remembered = records > 0 ? ` and ${records} that remember targets (keep-foreign-targets)` : ''
  const fewer = records > 0 ? ', or lower roadstead.dev/max-targets' : ''
  const message = `the ${key} would have ${count} tags, and AWS allows ${tagsPerResource}: ${own} of yours${remembered}, the others mark it; remove ${count - tagsPerResource} from roadstead.dev/tags, the parameter tags of the class or the operator's setting tags${fewer}`
  return [{ reason: 'TooManyTags', message }]
}

function tagCount({ key, kind, mutable: { tags } }: Exclude<AwsResource, { kind: 'node-rules' }>) {
  const names = Object.keys(tags)
  const records = names.filter(isRecordTag).length
  // The drain's two tags; a record that is widened before it is narrowed.
  const spare = kind === 'load-balancer' ? 2 : records > 0 ? 1 : 0
  const own = names.filter((name) => !name.startsWith('roadstead.dev/')).length
  return { key, count: names.length + spare, own, records }
}

/** Whose object it is; undefined without a whole mark, or where it is a document's. */
export function ownerOfTags(tags: Tags): Owner | undefined {
  const cluster = tags[clusterTag]
  const [namespace, name, ...more] = (tags[serviceTag] ?? '').split('/')
  const uid = tags[uidTag]
  if (cluster === undefined || uid === undefined || !namespace || !name || more.length > 0) return undefined
  return { cluster, namespace, name, uid }
}

/** The document an object belongs to. */
export function documentOfTags(tags: Tags): { cluster: string; document: DocumentKey } | undefined {
  const cluster = tags[clusterTag]
  const document = tags[documentTag]
  return cluster === undefined || document === undefined
    ? undefined
    : { cluster, document: { kind: 'document', document } }
}

/** The key the object was made under; undefined without a mark. */
export function keyOfTags(tags: Tags): string | undefined {
  return tags[resourceTag]
}

/** What to put on and what to take off so that the wanted tags stand; tags of others stay. */
export function tagChanges(wanted: Tags, seen: Tags): { put: Tags; remove: string[] } {
  const put = Object.fromEntries(Object.entries(wanted).filter(([key, value]) => seen[key] !== value))
  const asked = [
    extraTag,
    attributesTag,
    earlyTag,
    sourceNatTag,
    subnetsTag,
    capacityTag,
    deleteDrainTag,
    drainingSinceTag,
  ]
  const digests = new Set((seen[extraTag] ?? '').match(/.{5}/g))
  const extra = Object.keys(seen).filter((key) => digests.has(keyDigest(key)) || isRecordTag(key))
  const ours = [...extra, ...asked]
  const remove = ours.filter((key) => seen[key] !== undefined && wanted[key] === undefined).sort()
  return { put, remove }
}
