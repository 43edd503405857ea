/**
 * Deletion protection. Pure. What a wish of the Service or its class has switched on goes off when it is wished no longer, also while the
 * Service is being deleted; what somebody switched on in AWS stays, and the message says where it is.
 */
import type { LastWords, Resource, Step } from '../contract.ts'
import { CloudError } from '../contract.ts'
import { parseParameters } from './parameters.ts'
import { aws } from './resources.ts'
import type { Attributes, Tags } from './resources.ts'
import { attributesTag, protectedMark } from './tags.ts'
import { loadBalancerAttributes } from './wishes.ts'

const attribute = 'deletion_protection.enabled'

/** Steps that switch it off, of the load balancers that are protected by a wish that is gone. */
export function unprotected(observed: readonly Resource[], { parameters, whole }: LastWords): Step[] {
  const parsed = parseParameters(parameters)
  if (!parsed.ok) return []
  const said: Attributes = loadBalancerAttributes(parsed.value)
  const isWished = said[attribute] === 'true'
  const isNamed = parsed.value.deletionProtection !== undefined || said[attribute] !== undefined
  if (isWished || !(whole || isNamed)) return []
  return observed.map(aws).flatMap((from): Step[] => {
    if (from.kind !== 'load-balancer' || from.state === 'deleting' || !isOurs(from.mutable.tags)) return []
    const { attributes } = from.mutable
    if (attributes?.[attribute] !== 'true') return []
    const resource = { ...from, mutable: { ...from.mutable, attributes: { ...attributes, [attribute]: 'false' } } }
    return [{ verb: 'update', resource, from }]
  })
}

/** AWS's refusal of a delete with what to do. */
export function protectedBy(tags: Tags, arn: string, error: CloudError): CloudError {
  const where = isOurs(tags)
    ? 'roadstead.dev/deletion-protection (or load-balancer-attributes) asked for it: set it to "false" on the Service, also while it is being deleted, or change the class'
    : `somebody switched it on in AWS, so it stays: aws elbv2 modify-load-balancer-attributes --load-balancer-arn ${arn} --attributes Key=${attribute},Value=false`
  const { code = '', reason = '', requestId } = error
  return new CloudError('invalid', `deletion protection is on; ${where}`, {
    code,
    reason,
    ...(requestId === undefined ? {} : { requestId }),
    cause: error,
  })
}

function isOurs(tags: Tags): boolean {
  return tags[attributesTag] === protectedMark
}
