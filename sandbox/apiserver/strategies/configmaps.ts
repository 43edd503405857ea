/** ConfigMaps: keys, size, immutability. Source: pkg/apis/core/validation ValidateConfigMap, ValidateConfigMapUpdate. */
import type { ConfigMap } from '../../../kube/objects.ts'
import { equal } from '../json.ts'
import type { FieldError, Strategy } from '../strategy.ts'
import { builtIn } from './built-in.ts'
import { eachInvalid, forbidden, invalid, tooLong } from './field-error.ts'
import { byteLength, configMapKey, dns1123Subdomain } from './syntax.ts'

const maxBytes = 1024 * 1024
type Immutable = ConfigMap & { immutable?: boolean }

export function configMapStrategy(): Strategy<ConfigMap> {
  return builtIn<ConfigMap>({
    kind: 'ConfigMap',
    namespaced: true,
    name: dns1123Subdomain,
    metaOnUpdate: ['update', 'create'],
    errors: (map, old) => [...(old === undefined ? [] : immutableErrors(map, old)), ...dataErrors(map)],
  })
}

function dataErrors({ data = {}, binaryData = {} }: ConfigMap): FieldError[] {
  const errors: FieldError[] = []
  for (const key of Object.keys(data)) {
    errors.push(...eachInvalid(`data[${key}]`, key, configMapKey(key)))
    if (key in binaryData) errors.push(invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'))
  }
  for (const key of Object.keys(binaryData)) {
    errors.push(...eachInvalid(`binaryData[${key}]`, key, configMapKey(key)))
  }
  const size =
    Object.values(data).reduce((sum, value) => sum + byteLength(value), 0) +
    Object.values(binaryData).reduce((sum, value) => sum + Buffer.byteLength(value, 'base64'), 0)
  return size > maxBytes ? [...errors, tooLong('', maxBytes)] : errors
}

function immutableErrors(map: Immutable, old: Immutable): FieldError[] {
  if (old.immutable !== true) return []
  const text = 'field is immutable when `immutable` is set'
  const errors: FieldError[] = map.immutable === true ? [] : [forbidden('immutable', text)]
  for (const key of ['data', 'binaryData'] as const) {
    if (!equal(map[key], old[key])) errors.push(forbidden(key, text))
  }
  return errors
}
