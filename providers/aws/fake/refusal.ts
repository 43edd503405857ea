/** The one way in which the fake refuses: AWS's codes, read by the same table that reads the real ones. */
import type { CloudError } from '../../contract.ts'
import { cloudErrorOf } from '../errors.ts'

export type RefusalCode =
  | 'ALPNPolicyNotSupported'
  | 'AllocationIdNotFound'
  | 'CapacityDecreaseRequestLimitExceeded'
  | 'CapacityReservationPending'
  | 'CertificateNotFound'
  | 'DependencyViolation'
  | 'DuplicateListener'
  | 'DuplicateLoadBalancerName'
  | 'DuplicateTagKeys'
  | 'DuplicateTargetGroupName'
  | 'IncompatibleProtocols'
  | 'InvalidConfigurationRequest'
  | 'InvalidGroup.Duplicate'
  | 'InvalidGroup.NotFound'
  | 'InvalidID'
  | 'InvalidInstanceID.NotFound'
  | 'InvalidParameterValue'
  | 'InvalidPermission.Duplicate'
  | 'InvalidPermission.NotFound'
  | 'InvalidPrefixListID.NotFound'
  | 'InvalidSecurityGroup'
  | 'InvalidSubnet'
  | 'InvalidSubnetID.NotFound'
  | 'InvalidTarget'
  | 'InvalidVpcID.NotFound'
  | 'ListenerNotFound'
  | 'LoadBalancerNotFound'
  | 'OperationNotPermitted'
  | 'RequestLimitExceeded'
  | 'ResourceInUse'
  | 'RulesPerSecurityGroupLimitExceeded'
  | 'SSLPolicyNotFound'
  | 'SecurityGroupLimitExceeded'
  | 'ServiceUnavailable'
  | 'SubnetNotFound'
  | 'TagLimitExceeded'
  | 'TargetGroupAssociationLimit'
  | 'TargetGroupNotFound'
  | 'Throttling'
  | 'TooManyCertificates'
  | 'TooManyListeners'
  | 'TooManyLoadBalancers'
  | 'TooManyTags'
  | 'TooManyTargetGroups'
  | 'TooManyTargets'
  | 'UnsupportedProtocol'
  | 'ValidationError'

export function refusal(code: RefusalCode, message: string): CloudError {
  return cloudErrorOf(code, message, { requestId: `fake-${code}` })
}

/** Throws the refusal unless it holds. */
export function demand(holds: boolean, code: RefusalCode, message: string): asserts holds {
  if (!holds) throw refusal(code, message)
}

/** The value, or the refusal. */
export function found<T>(value: T | undefined, code: RefusalCode, message: string): T {
  if (value === undefined) throw refusal(code, message)
  return value
}
