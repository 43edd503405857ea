/** Pages as AWS gives them: at most 400 objects, a marker for the next. The emulator's own pages are read whole before. */
import { type AwsCall, changed } from '../aws-call.ts'
import { refuse } from '../answer.ts'
import type { Next } from '../layer.ts'
import { childOf, itemsOf, leaf, parseXml, put, removeChildren, textOf, type XmlElement } from '../xml.ts'
import { errorOf, resultOf } from './ask.ts'
import { AwsRefusal } from '../answer.ts'

/** Every object of a describe call and the document they stood in. Errors: AwsRefusal with the emulator's error. */
export async function wholeList(
  call: AwsCall,
  next: Next,
  list: string,
): Promise<{ root: XmlElement; items: XmlElement[] }> {
  let parameters = changed(call.parameters, ['Marker', 'PageSize'], { PageSize: '400' })
  const items: XmlElement[] = []
  for (;;) {
    const answer = await next({ ...call, parameters })
    if (answer.code !== undefined) throw new AwsRefusal(errorOf(answer))
    const root = parseXml(answer.body)
    items.push(...itemsOf(resultOf(root), list))
    const marker = textOf(resultOf(root), 'NextMarker')
    if (marker === undefined || marker === '') return { root, items }
    parameters = changed(parameters, ['Marker'], { Marker: marker })
  }
}

/** Puts the wanted page of `items` into the document. The marker is the identity of the last object before. */
export function putPage(call: AwsCall, root: XmlElement, list: string, items: readonly XmlElement[], id: string): void {
  const size = Number(call.parameters.get('PageSize') ?? 400)
  if (!Number.isInteger(size) || size < 1 || size > 400)
    refuse(
      'ValidationError',
      `1 validation error detected: Value '${size}' at 'pageSize' failed to satisfy constraint: Member must have value between 1 and 400`,
    )
  const marker = call.parameters.get('Marker')
  const after = marker === undefined ? -1 : items.findIndex((item) => textOf(item, id) === marker)
  if (marker !== undefined && after < 0) refuse('ValidationError', `Invalid marker '${marker}'`)
  const page = items.slice(after + 1, after + 1 + size)
  const result = resultOf(root)
  const holder = childOf(result, list)
  if (holder === undefined) result.children.push({ name: list, attributes: '', children: page, text: '' })
  else Object.assign(holder, { children: page, text: '' })
  removeChildren(result, 'NextMarker')
  const last = page.at(-1)
  if (after + 1 + size < items.length && last !== undefined) put(result, leaf('NextMarker', textOf(last, id) ?? ''))
}
