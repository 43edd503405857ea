/**
 * CustomResourceDefinitions as the server reads them (apiextensions.k8s.io/v1): the fields that decide what is served.
 */
import type { Condition, KubeObject } from '../../../kube/objects.ts'
import type { RawSchema } from '../schema/openapi.ts'

export interface PrinterColumn {
  name: string
  type: string
  format?: string
  description?: string
  priority?: number
  jsonPath: string
}

export interface DefinitionVersion {
  name: string
  served: boolean
  storage: boolean
  deprecated?: boolean
  deprecationWarning?: string
  schema?: { openAPIV3Schema?: RawSchema }
  subresources?: { status?: Record<string, never>; scale?: ScalePaths }
  additionalPrinterColumns?: PrinterColumn[]
  selectableFields?: { jsonPath: string }[]
}

export interface ScalePaths {
  specReplicasPath: string
  statusReplicasPath: string
  labelSelectorPath?: string
}

export interface DefinitionNames {
  plural: string
  singular?: string
  shortNames?: string[]
  kind: string
  listKind?: string
  categories?: string[]
}

export interface Definition extends KubeObject {
  spec: {
    group: string
    names: DefinitionNames
    scope: 'Namespaced' | 'Cluster'
    versions: DefinitionVersion[]
    conversion?: { strategy: string }
    preserveUnknownFields?: boolean
  }
  status?: {
    /** Null until the first conditions are written. */
    conditions?: Condition[] | null
    acceptedNames?: DefinitionNames
    storedVersions?: string[]
  }
}

export const cleanupFinalizer = 'customresourcecleanup.apiextensions.k8s.io'

export function storageVersion({ spec }: Definition): DefinitionVersion | undefined {
  return spec.versions.find((version) => version.storage)
}

/** Names with the parts that may be left out filled in. */
export function completeNames(names: DefinitionNames): DefinitionNames {
  return {
    ...names,
    singular: names.singular || names.kind.toLowerCase(),
    listKind: names.listKind || `${names.kind}List`,
  }
}

export function isEstablished({ status }: Definition): boolean {
  return status?.conditions?.some(({ type, status: value }) => type === 'Established' && value === 'True') ?? false
}
