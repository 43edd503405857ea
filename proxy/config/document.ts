/** A configuration as a KubeProxyConfiguration again: what `--write-config-to` writes and /configz answers. Pure. */
import { apiVersion, kind } from './file.ts'
import { type Setting, type SettingName, settings, type Values } from './settings.ts'

/** Every setting that has a field, in force or by default; of the groups for modes only those of the mode in use. */
export function configDocument(values: Values): Record<string, unknown> {
  const document: Record<string, unknown> = { apiVersion, kind }
  for (const name of Object.keys(settings) as SettingName[]) {
    const { sources, kind: shape } = settings[name] as Setting<unknown>
    const field = sources.find(
      ({ from, modes }) => from === 'field' && (modes === undefined || modes.includes(values.mode)),
    )
    if (field) put(document, field.name.split('.'), shape.toYaml(values[name]))
  }
  // Our flag has no field; the gate says the same.
  if (values.externalIps) put(document, ['featureGates', 'AllowServiceExternalIPs'], true)
  return document
}

function put(document: Record<string, unknown>, [name = '', ...inner]: readonly string[], value: unknown): void {
  if (inner.length === 0) document[name] = value
  else put((document[name] ??= {}) as Record<string, unknown>, inner, value)
}
