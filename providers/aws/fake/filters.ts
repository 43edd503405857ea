/** EC2's filters: all of them must match, each by any of its values; `*` and `?` are wildcards. */
import type { Filter } from '../ec2.ts'
import type { Attributes } from './account.ts'
import { refusal } from './refusal.ts'

/** `fields`: filter name -> the object's values. Tags are matched by `tag:<key>` and `tag-key`. Other names are refused. */
export function matches(
  filters: readonly Filter[],
  tags: Attributes,
  fields: Readonly<Record<string, readonly string[]>>,
): boolean {
  return filters.every(({ name, values }) => {
    const present = valuesOf(name, tags, fields)
    return values.some((wanted) => present.some((value) => pattern(wanted).test(value)))
  })
}

function valuesOf(
  name: string,
  tags: Attributes,
  fields: Readonly<Record<string, readonly string[]>>,
): readonly string[] {
  if (name === 'tag-key') return Object.keys(tags)
  if (name.startsWith('tag:')) {
    const value = tags[name.slice('tag:'.length)]
    return value === undefined ? [] : [value]
  }
  const values = Object.hasOwn(fields, name) ? fields[name] : undefined
  if (values === undefined) throw refusal('InvalidParameterValue', `The filter '${name}' is invalid`)
  return values
}

function pattern(text: string): RegExp {
  const escaped = text
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${escaped}$`, 's')
}
