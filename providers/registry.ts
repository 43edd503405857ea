/**
 * The clouds there are. The only file that names them; each is loaded when it is asked for, since SDKs are large.
 */
import type { CloudName, Provider } from './contract.ts'
import type { Bucket, Pace } from './pacing.ts'
import { unpaced } from './pacing.ts'

/** What an administrator configures for a cloud, as strings; see `cloudSettings` for the keys. */
export type ProviderSettings = Readonly<Record<string, string>>

interface Cloud {
  /** Key -> one line for the docs. */
  settings: Readonly<Record<string, string>>
  required: readonly string[]
  load: (settings: ProviderSettings, around: ProviderSurroundings) => Promise<Provider>
}

/** What the process lends a provider. */
export interface ProviderSurroundings {
  /** Milliseconds. */
  now: () => number
  /** Within which everything is looked at again. */
  lookMs: number
  bucket: (pace: Pace) => Bucket
}

const alone: ProviderSurroundings = { now: Date.now, lookMs: 180_000, bucket: unpaced }

const clouds: Readonly<Record<CloudName, Cloud>> = {
  aws: {
    settings: {
      region: "default: AWS_REGION, the profile's, the instance's",
      endpoint: 'URL of an AWS-compatible API; default: AWS',
      vpc: 'vpc-...; default: that of the nodes',
      'cluster-name': 'name in the tags kubernetes.io/cluster/<name> of subnets and security groups',
      'node-security-groups':
        'ids, separated by +, where node ports are opened; default: found by tag or by the primary interface',
      'node-rule-cap':
        'rules of ours in one security group of the nodes, default 45; AWS allows 60 in all unless the quota is raised',
      'replacement-grace':
        'seconds that a replaced load balancer stays after the new address is published, default 120',
      'call-rate':
        "how many times AWS's usual call limits the operator may use, default 1; more where AWS has raised those of the account",
      tags: 'key:value, separated by +, on everything that is made',
    },
    required: [],
    async load(settings, { now, lookMs, bucket }) {
      const options = awsOptions(settings)
      const [{ createAwsProvider }, { createSdkCloud }, { paced }] = await Promise.all([
        import('./aws/provider.ts'),
        import('./aws/sdk.ts'),
        import('./aws/paced.ts'),
      ])
      const { region, endpoint, callRate, ...rest } = options
      const cloud = await createSdkCloud({ ...(region ? { region } : {}), ...(endpoint ? { endpoint } : {}) })
      return { ...createAwsProvider({ ...rest, cloud: paced(cloud, bucket, callRate), now, lookMs }), paced: true }
    },
  },
  local: {
    settings: {
      endpoint: "the balancer's control API: unix:/path or http://host:port",
      pools: 'its address ranges, separated by +; wishes outside are refused early (optional)',
    },
    required: ['endpoint'],
    async load(settings) {
      const [{ createLocalProvider }, { createHttpCloud }] = await Promise.all([
        import('./local/provider.ts'),
        import('./local/http.ts'),
      ])
      const pools = (settings['pools'] ?? '').split('+').filter((pool) => pool !== '')
      return createLocalProvider(createHttpCloud(settings['endpoint'] ?? ''), { pools })
    },
  },
}

export const cloudNames: readonly CloudName[] = Object.keys(clouds)

/** Key -> what it means, of one cloud; undefined for a cloud there is not. */
export function cloudSettings(name: CloudName): Readonly<Record<string, string>> | undefined {
  return clouds[name]?.settings
}

/** Throws RangeError with one line that says what to do: unknown cloud, unknown, missing or malformed setting. */
export async function createProvider(
  name: CloudName,
  settings: ProviderSettings,
  around: ProviderSurroundings = alone,
): Promise<Provider> {
  const cloud = clouds[name]
  if (!cloud) throw new RangeError(`unknown cloud "${name}"; known: ${cloudNames.join(', ')}`)
  const unknown = Object.keys(settings).find((key) => !Object.hasOwn(cloud.settings, key))
  if (unknown !== undefined) {
    throw new RangeError(`cloud ${name} has no setting "${unknown}"; known: ${Object.keys(cloud.settings).join(', ')}`)
  }
  const missing = cloud.required.find((key) => !settings[key])
  if (missing !== undefined)
    throw new RangeError(`cloud ${name} needs the setting ${missing}: ${cloud.settings[missing]}`)
  return cloud.load(settings, around)
}

function awsOptions(settings: ProviderSettings) {
  const { region, endpoint, vpc, tags = '' } = settings
  const clusterName = settings['cluster-name']
  const groups = listOf(settings['node-security-groups'])
  const pairs = listOf(tags).map((pair) => pair.split(':'))
  if (vpc !== undefined && !/^vpc-[0-9a-f]+$/.test(vpc))
    throw new RangeError(`vpc is "${vpc}"; it must be like vpc-0a1b2c3d`)
  if (endpoint !== undefined && !URL.canParse(endpoint)) throw new RangeError(`endpoint "${endpoint}" is no URL`)
  if (groups.some((group) => !/^sg-[0-9a-f]+$/.test(group))) {
    throw new RangeError('node-security-groups must be ids such as sg-0a1b2c3d, separated by +')
  }
  if (pairs.some((pair) => pair.length !== 2 || pair[0] === ''))
    throw new RangeError('tags must be key:value, separated by +')
  return {
    region,
    endpoint,
    ...(vpc === undefined ? {} : { vpcId: vpc }),
    ...(clusterName === undefined ? {} : { clusterName }),
    ...(groups.length === 0 ? {} : { nodeSecurityGroups: groups }),
    nodeRuleCap: wholeNumber(settings, 'node-rule-cap', 2, 1000) ?? 45,
    graceSeconds: wholeNumber(settings, 'replacement-grace', 0, 86_400) ?? 120,
    callRate: wholeNumber(settings, 'call-rate', 1, 1000) ?? 1,
    tags: Object.fromEntries(pairs.map(([key = '', value = '']) => [key, value])),
  }
}

/** Commas separate settings, so a list has plus signs. */
function listOf(text = ''): string[] {
  return text.split('+').filter((item) => item !== '')
}

function wholeNumber(settings: ProviderSettings, key: string, min: number, max: number): number | undefined {
  const text = settings[key]
  if (text === undefined) return undefined
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (!(value >= min && value <= max))
    throw new RangeError(`${key} is "${text}"; it must be a whole number from ${min} to ${max}`)
  return value
}
