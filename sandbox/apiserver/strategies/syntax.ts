/**
 * Rules for names, labels and port numbers, as texts that say what is wrong (empty list: fine).
 * Source: k8s.io/apimachinery/pkg/util/validation and pkg/api/validate/content.
 */
const label1123 = '[a-z0-9]([-a-z0-9]*[a-z0-9])?'
const subdomain1123 = `${label1123}(\\.${label1123})*`
const label1035 = '[a-z]([-a-z0-9]*[a-z0-9])?'
const qualifiedNamePart = '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]'
const labelValueFormat = `(${qualifiedNamePart})?`
const configMapKeyFormat = '[-._a-zA-Z0-9]+'

const label1123Pattern = new RegExp(`^${label1123}$`)
const subdomain1123Pattern = new RegExp(`^${subdomain1123}$`)
const label1035Pattern = new RegExp(`^${label1035}$`)
const qualifiedNamePattern = new RegExp(`^${qualifiedNamePart}$`)
const labelValuePattern = new RegExp(`^${labelValueFormat}$`)
const configMapKeyPattern = new RegExp(`^${configMapKeyFormat}$`)

/** Go counts bytes where JavaScript counts UTF-16 units. */
export function byteLength(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}

function patternText(rule: string, format: string, ...examples: string[]): string {
  const list = examples.map((example) => `'${example}', `).join(' or ')
  return `${rule} (e.g. ${list}regex used for validation is '${format}')`
}

function maxLength(text: string, max: number): string[] {
  return byteLength(text) > max ? [`must be no more than ${max} characters`] : []
}

export function dns1123Label(value: string): string[] {
  const errors = maxLength(value, 63)
  if (label1123Pattern.test(value)) return errors
  if (subdomain1123Pattern.test(value)) return [...errors, 'must not contain dots']
  const rule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character"
  return [...errors, patternText(rule, label1123, 'my-name', '123-abc')]
}

export function dns1123Subdomain(value: string): string[] {
  const errors = maxLength(value, 253)
  if (subdomain1123Pattern.test(value)) return errors
  const rule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
  return [...errors, patternText(rule, subdomain1123, 'example.com')]
}

export function dns1035Label(value: string): string[] {
  const errors = maxLength(value, 63)
  if (label1035Pattern.test(value)) return errors
  const rule =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character"
  return [...errors, patternText(rule, label1035, 'my-name', 'abc-123')]
}

/** Label keys, annotation keys (lower-cased first), finalizers, classes, application protocols: `[prefix/]name`. */
export function qualifiedName(value: string): string[] {
  const rule =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
  const text = patternText(rule, qualifiedNamePart, 'MyName', 'my.name', '123-abc')
  const parts = value.split('/')
  if (parts.length > 2) {
    return [`a valid label key ${text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`]
  }
  const name = parts.at(-1) ?? ''
  const errors: string[] = []
  if (parts.length === 2) {
    const prefix = parts[0] ?? ''
    if (prefix === '') errors.push('prefix part must be non-empty')
    else errors.push(...dns1123Subdomain(prefix).map((message) => `prefix part ${message}`))
  }
  if (name === '') errors.push('name part must be non-empty')
  else errors.push(...maxLength(name, 63).map((message) => `name part ${message}`))
  if (!qualifiedNamePattern.test(name)) errors.push(`name part ${text}`)
  return errors
}

export function labelValue(value: string): string[] {
  const errors = maxLength(value, 63)
  if (labelValuePattern.test(value)) return errors
  const rule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
  return [...errors, patternText(rule, labelValueFormat, 'MyValue', 'my_value', '12345')]
}

export function portNumber(port: number): string[] {
  return port >= 1 && port <= 65535 ? [] : ['must be between 1 and 65535, inclusive']
}

/** IANA_SVC_NAME (RFC 6335 section 5.1). */
export function portName(name: string): string[] {
  const errors = maxLength(name, 15)
  if (!/^[-a-z0-9]+$/.test(name)) errors.push('must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)')
  if (!/[a-z]/.test(name)) errors.push('must contain at least one letter (a-z)')
  if (name.includes('--')) errors.push('must not contain consecutive hyphens')
  if (name.startsWith('-') || name.endsWith('-')) errors.push('must not begin or end with a hyphen')
  return errors
}

export function configMapKey(key: string): string[] {
  const errors = maxLength(key, 253)
  if (!configMapKeyPattern.test(key)) {
    const rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
    errors.push(patternText(rule, configMapKeyFormat, 'key.name', 'KEY_NAME', 'key-name'))
  }
  if (key === '.') errors.push("must not be '.'")
  else if (key === '..') errors.push("must not be '..'")
  else if (key.startsWith('..')) errors.push("must not start with '..'")
  return errors
}

/** What a name may be in a URL path, the rule for every kind. Source: k8s.io/apimachinery/pkg/api/validation/path. */
export function pathSegment(name: string): string[] {
  if (name === '.' || name === '..') return [`may not be '${name}'`]
  return ['/', '%'].filter((char) => name.includes(char)).map((char) => `may not contain '${char}'`)
}
