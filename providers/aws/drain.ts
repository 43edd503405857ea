/**
 * Slow deletes as tags of the load balancer, pure: how long it stays without listeners, and since when it does. AWS: a listener that is
 * deleted accepts nothing new, "existing connections remain open until they naturally close or time out"; the load balancer's deletion ends
 * them. https://docs.aws.amazon.com/elasticloadbalancing/latest/network/delete-listener.html
 */
import type { Drain } from '../contract.ts'
import type { AwsResource, Tags } from './resources.ts'
import { attributesTag, deleteDrainTag as secondsTag, drainingSinceTag as sinceTag, protectedMark } from './tags.ts'

/** The same resource with its drain written into its tags. */
export function drainAsTags(resource: AwsResource): AwsResource {
  if (resource.kind !== 'load-balancer') return resource
  return { ...resource, mutable: { ...resource.mutable, tags: withDrain(resource.mutable.tags, resource.drain) } }
}

/** `tags` as they say this drain, and no other. */
function withDrain(tags: Tags, drain: Drain | undefined): Tags {
  const { seconds = 0, since } = drain ?? {}
  return {
    ...withoutDrain(tags),
    ...(seconds > 0 || since !== undefined ? { [secondsTag]: String(seconds) } : {}),
    ...(since === undefined ? {} : { [sinceTag]: new Date(since).toISOString() }),
  }
}

export function withoutDrain(tags: Tags): Tags {
  const { [secondsTag]: _seconds, [sinceTag]: _since, ...others } = tags
  return others
}

/** Tags that somebody spoilt count as not there. */
export function drainOf(tags: Tags): Drain {
  const seconds = Number(tags[secondsTag] ?? 0)
  const since = Date.parse(tags[sinceTag] ?? '')
  return {
    seconds: Number.isFinite(seconds) ? Math.max(0, seconds) : 0,
    ...(Number.isNaN(since) ? {} : { since }),
  }
}

/** AWS refuses to delete it: its listeners have to stay, too. */
export function isProtected({ attributes, tags }: { attributes?: Tags; tags: Tags }): boolean {
  if (attributes !== undefined) return attributes['deletion_protection.enabled'] === 'true'
  return tags[attributesTag] === protectedMark
}
