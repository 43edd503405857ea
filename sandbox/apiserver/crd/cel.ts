/**
 * The part of the Common Expression Language that validation rules of CustomResourceDefinitions mostly use: comparison, logic, `?:`,
 * `in`, `+`, field and index access, `has`, `size`, `all`, `exists`, and the text tests. A rule outside of it does not compile.
 * Source: github.com/google/cel-spec, k8s.io/apiserver/pkg/cel.
 */
import { equal, isObject } from '../json.ts'

export type Scope = Readonly<Record<string, unknown>>
export type Expression = (scope: Scope) => unknown

/** A rule that could not be evaluated: `no such key: from`. */
export class CelError extends Error {
  override readonly name = 'CelError'
}

/** Not in the understood part of the language. */
class NotUnderstood extends Error {
  override readonly name = 'NotUnderstood'
}

const tokenPattern =
  /\s+|(?<number>\d+(?:\.\d+)?)|(?<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?<word>[A-Za-z_]\w*)|(?<mark><=|>=|==|!=|&&|\|\||[-+!<>?:.,()[\]])/gy

/** Undefined when the rule uses what is not understood here. */
export function compileCel(source: string): Expression | undefined {
  try {
    const parser = parserOf(tokensOf(source))
    const expression = parser.expression()
    return parser.atEnd() ? expression : undefined
  } catch (error) {
    if (error instanceof NotUnderstood) return undefined
    throw error
  }
}

interface Token {
  kind: 'number' | 'text' | 'word' | 'mark' | 'end'
  text: string
}

function tokensOf(source: string): Token[] {
  const tokens: Token[] = []
  let end = 0
  for (const match of source.matchAll(tokenPattern)) {
    end = match.index + match[0].length
    for (const kind of ['number', 'text', 'word', 'mark'] as const) {
      const text = match.groups?.[kind]
      if (text !== undefined) tokens.push({ kind, text })
    }
  }
  if (end !== source.length) throw new NotUnderstood(source)
  return [...tokens, { kind: 'end', text: '' }]
}

function parserOf(tokens: readonly Token[]) {
  let position = 0
  const peek = (): Token => tokens[position] as Token
  const accept = (...texts: string[]): string | undefined => {
    const { kind, text } = peek()
    if (kind === 'text' || !texts.includes(text) || text === '') return undefined
    position++
    return text
  }
  const expect = (text: string): void => {
    if (accept(text) === undefined) throw new NotUnderstood(text)
  }
  const word = (): string => {
    const token = peek()
    if (token.kind !== 'word') throw new NotUnderstood(token.text)
    position++
    return token.text
  }

  function expression(): Expression {
    const condition = either()
    if (!accept('?')) return condition
    const yes = expression()
    expect(':')
    const no = expression()
    return (scope) => (condition(scope) === true ? yes(scope) : no(scope))
  }
  function either(): Expression {
    let left = both()
    while (accept('||')) {
      const [a, b] = [left, both()]
      left = (scope) => a(scope) === true || b(scope) === true
    }
    return left
  }
  function both(): Expression {
    let left = relation()
    while (accept('&&')) {
      const [a, b] = [left, relation()]
      left = (scope) => a(scope) === true && b(scope) === true
    }
    return left
  }
  function relation(): Expression {
    const left = sum()
    const operator = accept('<=', '<', '>=', '>', '==', '!=', 'in')
    if (!operator) return left
    const right = sum()
    return (scope) => related(operator, left(scope), right(scope))
  }
  function sum(): Expression {
    let left = unary()
    for (let operator = accept('+', '-'); operator; operator = accept('+', '-')) {
      const [a, b, minus] = [left, unary(), operator === '-']
      left = (scope) => add(a(scope), b(scope), minus)
    }
    return left
  }
  function unary(): Expression {
    if (accept('!')) {
      const inner = unary()
      return (scope) => inner(scope) !== true
    }
    if (accept('-')) {
      const inner = unary()
      return (scope) => -Number(inner(scope))
    }
    return access()
  }
  function access(): Expression {
    let value = primary()
    for (;;) {
      const before = value
      if (accept('.')) {
        const name = word()
        value = accept('(') ? method(before, name) : (scope) => memberOf(before(scope), name)
      } else if (accept('[')) {
        const index = expression()
        expect(']')
        value = (scope) => memberOf(before(scope), index(scope))
      } else return value
    }
  }
  function method(target: Expression, name: string): Expression {
    if (name === 'all' || name === 'exists') {
      const variable = word()
      expect(',')
      const test = expression()
      expect(')')
      const each = (scope: Scope) => (item: unknown) => test({ ...scope, [variable]: item }) === true
      return (scope) =>
        name === 'all' ? itemsOf(target(scope)).every(each(scope)) : itemsOf(target(scope)).some(each(scope))
    }
    const parameters = rest()
    const call = methods[name]
    if (!call) throw new NotUnderstood(name)
    return (scope) => call(target(scope), ...parameters.map((parameter) => parameter(scope)))
  }
  function rest(): Expression[] {
    const parameters: Expression[] = []
    if (accept(')')) return parameters
    do parameters.push(expression())
    while (accept(','))
    expect(')')
    return parameters
  }
  function primary(): Expression {
    const token = peek()
    position++
    if (token.kind === 'number') return () => Number(token.text)
    if (token.kind === 'text') {
      const text = token.text.slice(1, -1).replaceAll(/\\(.)/g, '$1')
      return () => text
    }
    if (token.text === '(') {
      const inner = expression()
      expect(')')
      return inner
    }
    if (token.text === '[') {
      const items: Expression[] = []
      if (!accept(']')) {
        do items.push(expression())
        while (accept(','))
        expect(']')
      }
      return (scope) => items.map((item) => item(scope))
    }
    if (token.kind !== 'word') throw new NotUnderstood(token.text)
    return named(token.text)
  }
  function named(name: string): Expression {
    if (name === 'true' || name === 'false') return () => name === 'true'
    if (name === 'null') return () => null
    if (name === 'has' && accept('(')) {
      const inner = expression()
      expect(')')
      return (scope) => present(inner, scope)
    }
    if (name === 'size' && accept('(')) {
      const inner = expression()
      expect(')')
      return (scope) => sizeOf(inner(scope))
    }
    if (name !== 'self' && name !== 'oldSelf' && peek().text === '(') throw new NotUnderstood(name)
    return (scope) => {
      if (!(name in scope)) throw new CelError(`undeclared reference to '${name}'`)
      return scope[name]
    }
  }
  return { expression, atEnd: () => peek().kind === 'end' }
}

function related(operator: string, left: unknown, right: unknown): boolean {
  if (operator === '==') return equal(left, right)
  if (operator === '!=') return !equal(left, right)
  if (operator === 'in') {
    if (Array.isArray(right)) return right.some((item) => equal(item, left))
    return isObject(right) && Object.hasOwn(right, String(left))
  }
  const [a, b] = [left as number, right as number]
  if (operator === '<') return a < b
  if (operator === '<=') return a <= b
  return operator === '>' ? a > b : a >= b
}

function add(left: unknown, right: unknown, minus: boolean): unknown {
  if (minus) return Number(left) - Number(right)
  if (Array.isArray(left) && Array.isArray(right)) return [...(left as unknown[]), ...(right as unknown[])]
  return (left as number) + (right as number)
}

function memberOf(value: unknown, key: unknown): unknown {
  if (Array.isArray(value) && typeof key === 'number' && key < value.length) return value[key]
  if (isObject(value) && value[String(key)] !== undefined) return value[String(key)]
  throw new CelError(Array.isArray(value) ? `index out of bounds: ${String(key)}` : `no such key: ${String(key)}`)
}

function present(inner: Expression, scope: Scope): boolean {
  try {
    return inner(scope) !== undefined
  } catch (error) {
    if (error instanceof CelError) return false
    throw error
  }
}

function itemsOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : isObject(value) ? Object.keys(value) : []
}

function sizeOf(value: unknown): number {
  return typeof value === 'string' ? Array.from(value).length : itemsOf(value).length
}

const methods: Readonly<Record<string, (target: unknown, ...parameters: unknown[]) => unknown>> = {
  size: (target) => sizeOf(target),
  startsWith: (target, prefix) => String(target).startsWith(String(prefix)),
  endsWith: (target, suffix) => String(target).endsWith(String(suffix)),
  contains: (target, part) => String(target).includes(String(part)),
  matches: (target, pattern) => new RegExp(String(pattern)).test(String(target)),
}
