/**
 * Label selectors: =, ==, !=, in, notin, exists, !exists, joined by commas.
 * Grammar and messages: k8s.io/apimachinery/pkg/labels.
 */
import { badRequest } from './failure.ts'
import { labelValue, qualifiedName } from './strategies/syntax.ts'

type Labels = Readonly<Record<string, string>>
type Requirement = (labels: Labels) => boolean

/** Undefined when every object matches. */
export type Selector = ((labels: Labels | undefined) => boolean) | undefined

type Token = { kind: 'word' | 'symbol' | 'end'; text: string }

function tokens(text: string): Token[] {
  const found: Token[] = []
  const pattern = /\s+|(!=|==|=|!|\(|\)|,|>|<)|([^\s=!(),<>]+)/gy
  for (let match = pattern.exec(text); match; match = pattern.exec(text)) {
    if (match[1] !== undefined) found.push({ kind: 'symbol', text: match[1] })
    else if (match[2] !== undefined) found.push({ kind: 'word', text: match[2] })
  }
  found.push({ kind: 'end', text: '' })
  return found
}

/** Throws a 400 in the server's words when the selector is malformed. */
export function parseLabelSelector(text: string | undefined): Selector {
  if (text === undefined || text.trim() === '') return undefined
  const list = tokens(text)
  let position = 0
  const peek = () => list[position] as Token
  const take = () => list[position++] as Token
  const fail = (message: string) => badRequest(`unable to parse requirement: ${message}`)
  const requirements: Requirement[] = []

  const values = (): string[] => {
    const open = take()
    if (open.text !== '(') throw fail(`found '${open.text}' expected: '('`)
    const out: string[] = []
    while (true) {
      const token = take()
      if (token.kind === 'word') out.push(token.text)
      else if (token.text === ',' || token.text === ')') out.push('')
      else throw fail(`found '${token.text}', expected: ',', ')' or identifier`)
      const after = token.kind === 'word' ? take() : token
      if (after.text === ')') return out
      if (after.text !== ',') throw fail(`found '${after.text}', expected: ',' or ')'`)
    }
  }

  const one = (): Requirement => {
    if (peek().text === '!') {
      take()
      const token = take()
      if (token.kind !== 'word') throw fail(`found '${token.text}', expected: identifier`)
      const key = checkKey(token, fail)
      return (labels) => labels[key] === undefined
    }
    const key = checkKey(take(), fail)
    const operator = peek()
    if (operator.kind === 'end' || operator.text === ',') return (labels) => labels[key] !== undefined
    take()
    if (operator.text === 'in' || operator.text === 'notin') {
      const set = new Set(values().map((value) => checkValue(value, key, fail)))
      if (operator.text === 'in') return (labels) => labels[key] !== undefined && set.has(labels[key])
      return (labels) => labels[key] === undefined || !set.has(labels[key])
    }
    if (operator.text === '>' || operator.text === '<') return ordered(key, operator.text, take().text, fail)
    if (operator.text !== '=' && operator.text !== '==' && operator.text !== '!=') {
      throw fail(`found '${operator.text}', expected: in, notin, =, ==, !=, gt, lt`)
    }
    const value = checkValue(peek().kind === 'word' ? take().text : '', key, fail)
    if (operator.text === '!=') return (labels) => labels[key] !== value
    return (labels) => labels[key] === value
  }

  while (true) {
    requirements.push(one())
    const after = take()
    if (after.kind === 'end') break
    if (after.text !== ',') throw badRequest(`found '${after.text}', expected: ',' or 'end of string'`)
    if (peek().kind !== 'word' && peek().text !== '!') {
      throw badRequest(`found '${peek().text}', expected: identifier after ','`)
    }
  }
  return (labels) => requirements.every((requirement) => requirement(labels ?? {}))
}

function ordered(key: string, operator: string, text: string, fail: (message: string) => Error): Requirement {
  if (!/^-?\d+$/.test(text)) {
    throw fail(`values[0]: Invalid value: "${text}": for 'Gt', 'Lt' operators, the value must be an integer`)
  }
  const bound = Number(text)
  return (labels) => {
    const value = labels[key]
    if (value === undefined || !/^-?\d+$/.test(value)) return false
    return operator === '>' ? Number(value) > bound : Number(value) < bound
  }
}

function checkKey(token: Token, fail: (message: string) => Error): string {
  if (token.kind !== 'word') throw badRequest(`found '${token.text}', expected: !, identifier, or 'end of string'`)
  const wrong = qualifiedName(token.text)
  if (wrong.length > 0) throw fail(`<nil>: Invalid value: "${token.text}": ${wrong.join('; ')}`)
  return token.text
}

function checkValue(value: string, key: string, fail: (message: string) => Error): string {
  const wrong = labelValue(value)
  if (wrong.length > 0) throw fail(`values[0][${key}]: Invalid value: "${value}": ${wrong.join('; ')}`)
  return value
}
