/** A target group's health check, from our shape to the fields of AWS's calls and back. */
import type { HealthCheckFields, TargetGroup } from './elbv2.ts'
import type { HealthCheckShape } from './resources.ts'

/** TCP checks have neither path nor codes: AWS refuses them. */
export function healthCheckFields(check: HealthCheckShape): HealthCheckFields {
  const { protocol, path, codes } = check
  return {
    healthCheckProtocol: protocol,
    healthCheckPort: check.port,
    ...(protocol === 'TCP' ? {} : { healthCheckPath: path, matcher: { httpCode: codes } }),
    healthCheckIntervalSeconds: check.intervalSeconds,
    healthCheckTimeoutSeconds: check.timeoutSeconds,
    healthyThresholdCount: check.healthyThreshold,
    unhealthyThresholdCount: check.unhealthyThreshold,
  }
}

export function healthCheckOf(group: TargetGroup): HealthCheckShape {
  const http = group.healthCheckProtocol !== 'TCP'
  return {
    protocol: group.healthCheckProtocol,
    port: group.healthCheckPort,
    path: http ? (group.healthCheckPath ?? '') : '',
    intervalSeconds: group.healthCheckIntervalSeconds,
    timeoutSeconds: group.healthCheckTimeoutSeconds,
    healthyThreshold: group.healthyThresholdCount,
    unhealthyThreshold: group.unhealthyThresholdCount,
    codes: http ? (group.matcher?.httpCode ?? '') : '',
  }
}
