/**
 * The strategy of kinds without rules of their own: only metadata is judged.
 * Source: k8s.io/apiserver/pkg/registry/rest (BeforeCreate, BeforeUpdate) and the common ObjectMeta validation.
 */
import type { KubeObject } from '../../kube/objects.ts'
import { commonUpdateErrors, metaErrors, metaUpdateErrors } from './strategies/object-meta.ts'
import { dns1123Subdomain } from './strategies/syntax.ts'
import type { Strategy } from './strategy.ts'

interface GenericRules {
  namespaced: boolean
  status?: boolean
  /** Counts spec changes in metadata.generation. */
  generation?: boolean
  kubeFinalizers?: boolean
}

export function genericStrategy(rules: GenericRules): Strategy {
  const kubeFinalizers = rules.kubeFinalizers ?? true
  return {
    statusSubresource: rules.status ?? false,
    countsGeneration: rules.generation ?? false,
    defaults() {},
    prepareForCreate() {},
    prepareForUpdate() {},
    validate(object: KubeObject) {
      return metaErrors(object.metadata, {
        namespaced: rules.namespaced,
        name: dns1123Subdomain,
        kubeFinalizers,
        judgesGenerateName: true,
      })
    },
    validateUpdate(object: KubeObject, old: KubeObject) {
      return [
        ...commonUpdateErrors(object.metadata, old.metadata, rules.namespaced),
        ...metaUpdateErrors(object.metadata, old.metadata, kubeFinalizers),
      ]
    },
  }
}
