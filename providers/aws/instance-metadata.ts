/**
 * The region as the instance's metadata service (IMDSv2) tells it: the last resort, which the SDK's own chain leaves out. Answers within two
 * seconds or not at all: from a Pod the service is often out of reach.
 */
const patienceMs = 1000

/** undefined where there is no such service, or it is switched off with AWS_EC2_METADATA_DISABLED. */
export async function instanceRegion(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string | undefined> {
  if (environment['AWS_EC2_METADATA_DISABLED'] === 'true') return undefined
  const base = (environment['AWS_EC2_METADATA_SERVICE_ENDPOINT'] ?? 'http://169.254.169.254').replace(/\/$/, '')
  const ask = async (path: string, init: RequestInit): Promise<string> => {
    const answer = await fetch(`${base}/latest/${path}`, { ...init, signal: AbortSignal.timeout(patienceMs) })
    if (!answer.ok) throw new Error(`HTTP ${answer.status}`)
    return answer.text()
  }
  try {
    const token = await ask('api/token', { method: 'PUT', headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' } })
    const region = await ask('meta-data/placement/region', { headers: { 'x-aws-ec2-metadata-token': token } })
    return /^[a-z]+(-[a-z]+)+-\d+$/.test(region) ? region : undefined
  } catch {
    return undefined
  }
}
