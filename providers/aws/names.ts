/**
 * Names of AWS objects: derived, stable, at most 32 characters (the limit of load balancers and target groups), readable at the front and
 * unique by the digest at the end. What an object cannot change in place is part of the digest, so a replacement has another name.
 */
import { createHash } from 'node:crypto'
import type { Json, Owner } from '../contract.ts'

/** First words of a name: `rs-shop-web-`. */
function stem({ namespace, name }: Owner): string {
  return ['rs', part(namespace), part(name)].filter((word) => word !== '').join('-')
}

/** Letters and digits only, at most 8. */
function part(text: string): string {
  return text.replace(/[^a-zA-Z0-9]/g, '').slice(0, 8)
}

/** `distinct`: everything that makes this object another one. */
export function objectName(owner: Owner, distinct: Json): string {
  return `${stem(owner)}-${digest([owner.cluster, owner.uid, distinct])}`
}

/** Of the group that all load balancers of a cluster carry. */
export function nodeAccessGroupName(cluster: string): string {
  return `rs-nodes-${part(cluster)}-${digest([cluster])}`
}

/** 10 hexadecimal digits: two of 100,000 objects collide with a chance of 1 in 200; the ownership mark is checked anyway. */
export function digest(value: Json): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 10)
}

/** Five characters for a tag key, so that many fit into the value of one tag. */
export function keyDigest(key: string): string {
  return createHash('sha256').update(key).digest('base64url').slice(0, 5)
}
