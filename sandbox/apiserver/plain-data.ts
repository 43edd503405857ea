/**
 * Secrets and ServiceAccounts: kept because clients expect them, nothing in the sandbox acts on them.
 * Source: pkg/apis/core/v1 (defaults, conversion of stringData), pkg/apis/core/validation ValidateSecret.
 */
import type { KubeObject } from '../../kube/objects.ts'
import { genericStrategy } from './generic-strategy.ts'
import { equal } from './json.ts'
import { canonicalise } from './strategies/canonical.ts'
import { invalid } from './strategies/field-error.ts'
import { configMapKey } from './strategies/syntax.ts'
import type { FieldError, Strategy } from './strategy.ts'

interface Secret extends KubeObject {
  type?: string
  data?: Record<string, string>
  stringData?: Record<string, string>
  immutable?: boolean
}

export function secretStrategy(): Strategy<Secret> {
  const generic = genericStrategy({ namespaced: true })
  return {
    ...generic,
    defaults(secret) {
      for (const [key, text] of Object.entries(secret.stringData ?? {})) {
        secret.data = { ...secret.data, [key]: Buffer.from(text).toString('base64') }
      }
      delete secret.stringData
      canonicalise('Secret', secret)
      secret.type ||= 'Opaque'
    },
    validate: (secret, context) => [...generic.validate(secret, context), ...keyErrors(secret)],
    validateUpdate: (secret, old, subresource, context) => [
      ...generic.validateUpdate(secret, old, subresource, context),
      ...keyErrors(secret),
      ...changeErrors(secret, old),
    ],
  }
}

function keyErrors({ data }: Secret): FieldError[] {
  return Object.keys(data ?? {}).flatMap((key) => configMapKey(key).map((text) => invalid(`data[${key}]`, key, text)))
}

function changeErrors(secret: Secret, old: Secret): FieldError[] {
  const errors: FieldError[] = []
  if (secret.type !== old.type) errors.push(invalid('type', secret.type, 'field is immutable'))
  if (old.immutable !== true) return errors
  const text = 'field is immutable when `immutable` is set'
  if (secret.immutable !== true) errors.push({ type: 'Forbidden', field: 'immutable', detail: text })
  if (!equal(secret.data, old.data)) errors.push({ type: 'Forbidden', field: 'data', detail: text })
  return errors
}

export function serviceAccountStrategy(): Strategy {
  return {
    ...genericStrategy({ namespaced: true }),
    defaults: (account) => canonicalise('ServiceAccount', account),
  }
}
