/**
 * The JSONPath of printer columns: `.a.b`, `['a.b']`, `\.` escapes, `[0]`, `[-1]`, `[*]`, and filters `[?(@.type=="Ready")]`.
 * Source: k8s.io/client-go/util/jsonpath, the part "simple JSON paths" of CRDs may use.
 */
import { isObject, plainText } from '../json.ts'

type Step =
  | { kind: 'field'; name: string }
  | { kind: 'index'; index: number }
  | { kind: 'all' }
  | { kind: 'filter'; path: Step[]; equals: boolean; value: string }

const stepPattern =
  /\.?\['((?:[^'\\]|\\.)*)'\]|\[(-?\d+)\]|\[\*\]|\.\*|\[\?\(@((?:\.[^=!<>\s)]+)+)\s*(==|!=)\s*(?:"([^"]*)"|'([^']*)'|([^)\s]+))\)\]|\.((?:[^.[\]\\]|\\.)+)/gy

/** Undefined when the path is not one of the understood forms. */
export function parseJsonPath(text: string): Step[] | undefined {
  const source = text.replaceAll(/^\{|\}$/g, '')
  const path = source.startsWith('.') || source.startsWith('[') ? source : `.${source}`
  const steps: Step[] = []
  let end = 0
  for (const match of path.matchAll(stepPattern)) {
    const step = stepOf(match)
    if (!step) return undefined
    steps.push(step)
    end = match.index + match[0].length
  }
  return end === path.length ? steps : undefined
}

function stepOf(match: RegExpMatchArray): Step | undefined {
  const [whole, quoted, index, filterPath, operator, double, single, bare, field] = match
  const plain = (name: string) => name.replaceAll(/\\(.)/g, '$1')
  if (quoted !== undefined) return { kind: 'field', name: plain(quoted) }
  if (index !== undefined) return { kind: 'index', index: Number(index) }
  if (field !== undefined) return { kind: 'field', name: plain(field) }
  if (filterPath === undefined) return whole.includes('*') ? { kind: 'all' } : undefined
  const path = parseJsonPath(filterPath)
  return path && { kind: 'filter', path, equals: operator === '==', value: double ?? single ?? bare ?? '' }
}

/** Every value the path leads to. */
export function findValues(value: unknown, steps: readonly Step[]): unknown[] {
  return steps.reduce<unknown[]>((found, step) => found.flatMap((here) => follow(here, step)), [value])
}

function follow(value: unknown, step: Step): unknown[] {
  if (step.kind === 'field') return isObject(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : []
  if (step.kind === 'index') return Array.isArray(value) && value.length > 0 ? value.slice(step.index).slice(0, 1) : []
  const items = Array.isArray(value) ? value : isObject(value) ? Object.values(value) : []
  if (step.kind === 'all') return items
  return items.filter((item) => {
    const [found] = findValues(item, step.path)
    return found !== undefined && (plainText(found) === step.value) === step.equals
  })
}
