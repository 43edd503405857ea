/**
 * AWS's refusals as CloudErrors: one table of the codes as they travel on the wire, used by sdk.ts and by the fake. The kind decides what the
 * reconcilers do; a reason or a hint is there where people need more than AWS's own sentence.
 */
import { CloudError } from '../contract.ts'
import type { CloudErrorKind } from '../contract.ts'

interface Meaning {
  kind: CloudErrorKind
  reason?: string
  /** Ends the message: what a person can do. */
  hint?: string
}

const of = (kind: CloudErrorKind, reason?: string, hint?: string): Meaning => ({
  kind,
  ...(reason === undefined ? {} : { reason }),
  ...(hint === undefined ? {} : { hint }),
})
const quota = (name: string): Meaning => of('quota', 'QuotaExceeded', `the quota is called "${name}"`)

/** Codes of both services without the suffix Exception and the prefix Client. or Server. */
const meanings: Readonly<Record<string, Meaning>> = {
  Throttling: of('throttled'),
  Throttled: of('throttled'),
  RequestLimitExceeded: of('throttled'),
  RequestThrottled: of('throttled'),
  TooManyRequests: of('throttled'),
  BandwidthLimitExceeded: of('throttled'),
  SlowDown: of('throttled'),

  TooManyLoadBalancers: quota('Network Load Balancers per Region'),
  TooManyTargetGroups: quota('Target Groups per Region'),
  TooManyListeners: quota('Listeners per Network Load Balancer'),
  TooManyTargets: quota('Targets per Target Group, or per Availability Zone per Network Load Balancer'),
  TooManyRegistrationsForTargetId: quota('Number of times a target can be registered per load balancer'),
  TooManyCertificates: quota('Certificates per Network Load Balancer'),
  TooManyUniqueTargetGroupsPerLoadBalancer: quota('Target Groups per Network Load Balancer'),
  TargetGroupAssociationLimit: quota('Load balancers per target group'),
  TooManyTags: quota('Tags per resource (50)'),
  TagLimitExceeded: quota('Tags per resource (50)'),
  RulesPerSecurityGroupLimitExceeded: quota('Inbound or outbound rules per security group'),
  SecurityGroupLimitExceeded: quota('VPC security groups per Region'),
  SecurityGroupsPerInterfaceLimitExceeded: quota('Security groups per network interface'),
  InsufficientFreeAddressesInSubnet: of('quota', 'SubnetFull', 'give the subnet free addresses or name another one'),

  AccessDenied: of('denied'),
  UnauthorizedOperation: of('denied'),
  AuthFailure: of('denied'),
  UnrecognizedClient: of('denied'),
  InvalidClientTokenId: of('denied'),
  InvalidAccessKeyId: of('denied'),
  SignatureDoesNotMatch: of('denied'),
  MissingAuthenticationToken: of('denied'),
  IncompleteSignature: of('denied'),
  OptInRequired: of('denied'),
  PendingVerification: of('denied'),
  Blocked: of('denied'),
  // The SDK fetches new credentials by itself.
  ExpiredToken: of('unavailable', 'CredentialsExpired'),
  RequestExpired: of('unavailable', 'CredentialsExpired', "check the machine's clock"),
  CredentialsProviderError: of(
    'unavailable',
    'NoCredentials',
    "give the operator's ServiceAccount a role (IRSA or Pod Identity), or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
  ),
  TokenProviderError: of('unavailable', 'NoCredentials'),

  InsufficientCapacity: of('quota', 'InsufficientCapacity', 'ask for fewer units, or wait until the zones have more'),
  CapacityUnitsLimitExceeded: quota('Reserved Network Load Balancer Capacity Units'),
  CapacityDecreaseRequestLimitExceeded: of('quota', 'CapacityDecreaseLimit', 'AWS allows two decreases a day'),
  CapacityDecreaseRequestsLimitExceeded: of('quota', 'CapacityDecreaseLimit', 'AWS allows two decreases a day'),

  DuplicateLoadBalancerName: of('conflict'),
  DuplicateTargetGroupName: of('conflict'),
  DuplicateListener: of('conflict'),
  PriorRequestNotComplete: of('conflict'),
  'InvalidGroup.Duplicate': of('conflict'),
  'InvalidPermission.Duplicate': of('conflict'),

  ResourceInUse: of('in-use'),
  DependencyViolation: of('in-use'),
  CapacityReservationPending: of('in-use', 'CapacityReservationPending', 'AWS still works on the last request'),
  'InvalidGroup.InUse': of('in-use'),

  LoadBalancerNotFound: of('not-found'),
  TargetGroupNotFound: of('not-found'),
  ListenerNotFound: of('not-found'),
  ResourceNotFound: of('not-found'),
  'InvalidGroup.NotFound': of('not-found'),
  'InvalidPermission.NotFound': of('not-found'),
  'InvalidInstanceID.NotFound': of('not-found'),
  'InvalidSecurityGroupRuleId.NotFound': of('not-found'),

  // What people name in parameters, or what was there at the last look.
  SubnetNotFound: of('not-found', 'SubnetNotFound'),
  'InvalidSubnetID.NotFound': of('not-found', 'SubnetNotFound'),
  'InvalidVpcID.NotFound': of('not-found', 'VpcNotFound'),
  AllocationIdNotFound: of('not-found', 'AllocationIdNotFound'),
  'InvalidAllocationID.NotFound': of('not-found', 'AllocationIdNotFound'),
  CertificateNotFound: of('not-found', 'CertificateNotFound'),
  SSLPolicyNotFound: of('not-found', 'SSLPolicyNotFound'),
  'InvalidPrefixListID.NotFound': of('not-found', 'PrefixListNotFound'),
  'InvalidPrefixListId.NotFound': of('not-found', 'PrefixListNotFound'),
  InvalidSecurityGroup: of('not-found', 'SecurityGroupNotFound'),
  InvalidSubnet: of('invalid', 'InvalidSubnet'),
  InvalidTarget: of('invalid', 'InvalidTarget'),
  AvailabilityZoneNotSupported: of('invalid', 'AvailabilityZoneNotSupported'),
  OperationNotPermitted: of(
    'invalid',
    'OperationNotPermitted',
    'when deletion protection is on, switch it off (the operator only touches what it has switched on itself)',
  ),
  ALPNPolicyNotSupported: of('invalid'),
  IncompatibleProtocols: of('invalid'),
  InvalidConfigurationRequest: of('invalid'),
  InvalidLoadBalancerAction: of('invalid'),
  InvalidScheme: of('invalid'),
  UnsupportedProtocol: of('invalid'),
  Unsupported: of('invalid'),
  UnsupportedOperation: of('invalid'),
  UnsupportedCertificate: of('invalid'),
  ValidationError: of('invalid'),
  InvalidParameter: of('invalid'),
  InvalidParameterValue: of('invalid'),
  InvalidParameterCombination: of('invalid'),
  MissingParameter: of('invalid'),
  MissingAction: of('invalid'),
  InvalidAction: of('invalid'),
  MalformedQueryString: of('invalid'),
  'InvalidGroupId.Malformed': of('invalid'),
  'InvalidInstanceID.Malformed': of('invalid'),
  'InvalidPermission.Malformed': of('invalid'),

  InternalError: of('unavailable'),
  InternalFailure: of('unavailable'),
  InternalServiceError: of('unavailable'),
  ServiceUnavailable: of('unavailable'),
  Unavailable: of('unavailable'),
  RequestTimeout: of('unavailable'),
}

export interface RefusalDetails {
  requestId?: string
  retryAfterSeconds?: number
  /** HTTP status, for codes that are not in the table. */
  status?: number
  /** `elasticloadbalancing:CreateListener`; begins the message where AWS does not say what was not allowed. */
  action?: string
  cause?: unknown
}

/** `code` as on the wire or as the SDK names it, for example DuplicateListener or DuplicateListenerException. */
export function cloudErrorOf(code: string, message: string, details: RefusalDetails = {}): CloudError {
  const plain = code.replace(/^(Client|Server)\./, '').replace(/Exception$/, '')
  const { kind, reason, hint } = meanings[plain] ?? guess(plain, details.status)
  const { action, requestId, retryAfterSeconds, cause } = details
  return new CloudError(kind, sentence(kind, message, action, hint), {
    code: plain,
    ...(reason === undefined ? {} : { reason }),
    ...(requestId === undefined ? {} : { requestId }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(cause === undefined ? {} : { cause }),
  })
}

/** Codes of tomorrow, by the way AWS names and numbers them. */
function guess(code: string, status = 0): Meaning {
  if (status === 429 || /Throttl/.test(code)) return of('throttled')
  if (/LimitExceeded$|^TooMany/.test(code)) return of('quota')
  if (code.endsWith('NotFound')) return of('not-found')
  if (/^Duplicate|\.Duplicate$/.test(code)) return of('conflict')
  if (status === 401 || status === 403) return of('denied')
  if (status >= 500) return of('unavailable')
  if (status === 400 && /^(Invalid|Malformed|Missing)/.test(code)) return of('invalid')
  return of('unknown')
}

function sentence(kind: CloudErrorKind, message: string, action: string | undefined, hint: string | undefined): string {
  // EC2 appends the encoded reason, kilobytes that differ every time and that only sts:DecodeAuthorizationMessage can read.
  const said = message.replace(/\s*Encoded authorization failure message:.*$/s, '').trim()
  const named = kind === 'denied' && action !== undefined && !said.includes(action) ? `${action}: ${said}` : said
  return hint === undefined ? named : `${named.replace(/\.$/, '')}; ${hint}`
}
