/**
 * What the three kinds share: the API group and the parts of Kubernetes' own vocabulary they use. Parsers here accept unknown fields of
 * metadata and drop them: an object comes from an API server that has checked its structure, or from a file.
 */
import { z } from 'zod'

export const group = 'roadstead.dev'
export const version = 'v1alpha1'
export const apiVersion = `${group}/${version}`

/** The coordinates of a kind in the REST API; fits kube's ResourceType. */
export interface Kind<T> {
  readonly group: string
  readonly version: string
  readonly plural: string
  readonly kind: string
  readonly namespaced: boolean
  /** Never set; ties the object type to the value. */
  readonly of?: T
}

export interface Metadata {
  name?: string
  namespace?: string
  uid?: string
  resourceVersion?: string
  generation?: number
  creationTimestamp?: string
  deletionTimestamp?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: {
    apiVersion: string
    kind: string
    name: string
    uid: string
    controller?: boolean
    blockOwnerDeletion?: boolean
  }[]
}

export interface Condition {
  type: string
  status: 'True' | 'False' | 'Unknown'
  observedGeneration?: number
  lastTransitionTime: string
  reason: string
  message: string
}

/** A DNS label: what names of classes, clouds and pools are made of. */
export const dnsLabel = z
  .string()
  .max(63)
  .regex(
    /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/,
    'must be lower case letters, digits and "-", starting and ending with a letter or digit',
  )

const labelExpression = z.strictObject({
  key: z.string().min(1),
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
  values: z.array(z.string()).optional(),
})

/** metav1.LabelSelector; the empty one selects everything. */
export const labelSelector = z.strictObject({
  matchLabels: z.record(z.string(), z.string()).optional(),
  matchExpressions: z.array(labelExpression).optional(),
})

export type LabelSelector = z.infer<typeof labelSelector>

/** A value that was understood, or one line for each mistake: `spec.clouds[0].name: ...`. */
export type Parsed<T> = { ok: true; value: T } | { ok: false; mistakes: string[] }

/** Runs a schema over `spec` and words its issues as field paths. */
export function parseSpec<T>(schema: z.ZodType<T>, spec: unknown, root = 'spec'): Parsed<T> {
  const result = schema.safeParse(spec ?? {})
  if (result.success) return { ok: true, value: result.data }
  return { ok: false, mistakes: result.error.issues.map((issue) => `${fieldPath(root, issue.path)}: ${issue.message}`) }
}

function fieldPath(root: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, part) => text + (typeof part === 'number' ? `[${part}]` : `.${String(part)}`), root)
}
