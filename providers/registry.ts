/**
 * The clouds there are. The only file that names them; each is loaded when it is asked for, since SDKs are large.
 */
import type { CloudName, Provider } from './contract.ts'

/** What an administrator configures for a cloud, as strings; see `cloudSettings` for the keys. */
export type ProviderSettings = Readonly<Record<string, string>>

interface Cloud {
  /** Key -> one line for the docs. */
  settings: Readonly<Record<string, string>>
  required: readonly string[]
  load: (settings: ProviderSettings) => Promise<Provider>
}

const clouds: Readonly<Record<CloudName, Cloud>> = {
  local: {
    settings: {
      endpoint: "the balancer's control API: unix:/path or http://host:port",
      pools: 'its address ranges, separated by commas; wishes outside are refused early (optional)',
    },
    required: ['endpoint'],
    async load(settings) {
      const [{ createLocalProvider }, { createHttpCloud }] = await Promise.all([
        import('./local/provider.ts'),
        import('./local/http.ts'),
      ])
      const pools = (settings['pools'] ?? '').split(',').filter((pool) => pool !== '')
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
export async function createProvider(name: CloudName, settings: ProviderSettings): Promise<Provider> {
  const cloud = clouds[name]
  if (!cloud) throw new RangeError(`unknown cloud "${name}"; known: ${cloudNames.join(', ')}`)
  const unknown = Object.keys(settings).find((key) => !Object.hasOwn(cloud.settings, key))
  if (unknown !== undefined) {
    throw new RangeError(`cloud ${name} has no setting "${unknown}"; known: ${Object.keys(cloud.settings).join(', ')}`)
  }
  const missing = cloud.required.find((key) => !settings[key])
  if (missing !== undefined)
    throw new RangeError(`cloud ${name} needs the setting ${missing}: ${cloud.settings[missing]}`)
  return cloud.load(settings)
}
