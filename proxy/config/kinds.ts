/**
 * Kinds of settings: how a value is read from a flag's text and from YAML, what is expected of it, and how it is written back. Pure.
 * A reader gives undefined for what is not of its kind; the caller knows where it stood and says so.
 */
import { type Address, type Cidr, parseAddress, parseCidr } from '../rules/addresses.ts'
import { formatDuration, parseDuration } from './duration.ts'
import type { ListenAt } from '../listen.ts'

export interface Kind<T> {
  /** Completes "X is not ...". */
  readonly expected: string
  fromText(text: string): T | undefined
  fromYaml(value: unknown): T | undefined
  toYaml(value: T): unknown
  /** A flag of this kind stands without a value. */
  readonly isSwitch?: true
  /** A flag with an empty value is as good as not given. pflag takes one for a text and for a list, and refuses it for a number. */
  readonly emptyIsUnset?: true
}

function ofText<T>(expected: string, read: (text: string) => T | undefined, write: (value: T) => unknown): Kind<T> {
  return {
    expected,
    fromText: read,
    fromYaml: (value) => (typeof value === 'string' ? read(value) : undefined),
    toYaml: write,
  }
}

/** Kinds that are a text to pflag. */
function maybeEmpty<T>(kind: Kind<T>): Kind<T> {
  return { ...kind, emptyIsUnset: true }
}

export const anyText: Kind<string> = maybeEmpty(
  ofText(
    'a text',
    (text) => text,
    (value) => value,
  ),
)

export const nodeName: Kind<string> = maybeEmpty(
  ofText(
    'the name of a Node',
    (text) => text.trim().toLowerCase() || undefined,
    (value) => value,
  ),
)

export const url: Kind<string> = maybeEmpty(
  ofText(
    'a URL such as https://10.0.0.1:6443',
    (text) => {
      const full = /^https?:\/\//.test(text) ? text : `http://${text}`
      return URL.canParse(full) ? full : undefined
    },
    (value) => value,
  ),
)

export const yesNo: Kind<boolean> = {
  expected: 'true or false',
  fromText: (text) => ({ true: true, false: false })[text],
  fromYaml: (value) => (typeof value === 'boolean' ? value : undefined),
  toYaml: (value) => value,
  isSwitch: true,
}

export function whole(least: number, most = 2 ** 31 - 1): Kind<number> {
  const within = (number: number) =>
    Number.isInteger(number) && number >= least && number <= most ? number : undefined
  return {
    expected: most === 2 ** 31 - 1 ? `a whole number, ${least} or more` : `a whole number from ${least} to ${most}`,
    fromText: (text) => (/^-?\d+$/.test(text) ? within(Number(text)) : undefined),
    fromYaml: (value) => (typeof value === 'number' ? within(value) : undefined),
    toYaml: (value) => value,
  }
}

/** Milliseconds. */
export const duration: Kind<number> = ofText('a duration such as 30s, 1m30s or 500ms', parseDuration, formatDuration)

/** Milliseconds, not 0. */
export const period: Kind<number> = ofText(
  'a duration of more than 0, such as 30s, 1m30s or 500ms',
  (text) => parseDuration(text) || undefined,
  formatDuration,
)

export function oneOf<T extends string>(choices: readonly T[]): Kind<T> {
  return maybeEmpty(
    ofText(
      `one of ${choices.join(', ')}`,
      (text) => choices.find((choice) => choice === text),
      (value) => value,
    ),
  )
}

export const address: Kind<Address> = maybeEmpty(ofText('an IP address', parseAddress, (value) => value.text))

/** A list: with commas as a flag, a sequence in YAML. */
export function listOf<T>(item: Kind<T>): Kind<readonly T[]> {
  const complete = (parts: readonly (T | undefined)[]) =>
    parts.includes(undefined) ? undefined : parts.filter((part) => part !== undefined)
  return {
    expected: `a list of which every entry is ${item.expected}`,
    fromText: (text) => complete(split(text).map((part) => item.fromText(part))),
    fromYaml: (value) =>
      Array.isArray(value) ? complete(value.map((part: unknown) => item.fromYaml(part))) : undefined,
    toYaml: (values) => values.map((value) => item.toYaml(value)),
    emptyIsUnset: true,
  }
}

export const network: Kind<Cidr> = ofText('a network such as 10.244.0.0/16', parseCidr, (value) => value.text)

/** Networks with commas between them, in YAML as well (`clusterCIDR`). */
export const networks: Kind<readonly Cidr[]> = maybeEmpty(
  ofText(
    'networks such as 10.244.0.0/16,fd00:244::/48',
    (text) => listOf(network).fromText(text),
    (values) => values.map((value) => value.text).join(','),
  ),
)

/** Where a server listens; `off`: nowhere. */
export type Bind = ListenAt | 'off'

/** `address`, `address:port`, `[address]:port`; port 0 means any free one. Nothing at all, as a flag: no server. */
export function bind(usualPort: number): Kind<Bind> {
  const read = (text: string): Bind | undefined => {
    const alone = parseAddress(text)
    if (alone) return { host: alone.text, port: usualPort }
    const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
    const parsed = parseAddress(bracketed ?? plain ?? '')
    const port = Number(digits)
    return parsed === undefined || !(port <= 65_535) ? undefined : { host: parsed.text, port }
  }
  return {
    expected: `an address and port such as 0.0.0.0:${usualPort}`,
    fromText: (text) => (text === '' ? 'off' : read(text)),
    fromYaml: (value) => (typeof value === 'string' ? read(value) : undefined),
    toYaml: (value) => (value === 'off' ? '' : bindText(value)),
  }
}

export function bindText({ host, port }: ListenAt): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** `name=true,other=false`, a mapping in YAML. */
export const switches: Kind<Readonly<Record<string, boolean>>> = {
  expected: 'a mapping of names to true or false',
  fromText: (text) => switchesOf(split(text).map((part) => part.split('=', 2).map((word) => word.trim()))),
  fromYaml: (value) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? switchesOf(Object.entries(value).map(([name, on]) => [name, String(on)]))
      : undefined,
  toYaml: (value) => ({ ...value }),
  emptyIsUnset: true,
}

function switchesOf(pairs: readonly string[][]): Record<string, boolean> | undefined {
  const found: Record<string, boolean> = {}
  for (const [name = '', on = ''] of pairs) {
    if (name === '' || !['true', 'false'].includes(on)) return undefined
    found[name] = on === 'true'
  }
  return found
}

function split(text: string): string[] {
  return text.split(',').flatMap((item) => item.trim() || [])
}
