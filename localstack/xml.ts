/**
 * The XML of AWS's Query protocols: elements with either children or text, attributes only on the root. Read, changed, written back.
 * Text stays escaped inside an element; `textOf` and `leaf` translate.
 */
import { escapeXml } from './answer.ts'

export interface XmlElement {
  name: string
  /** As written, with the space before it: ` xmlns="..."`. */
  attributes: string
  children: XmlElement[]
  /** Escaped text; '' for an element with children. */
  text: string
}

const token = /<([?!/]?)([\w:.-]+)([^>]*?)(\/?)>|([^<]+)/g

/** Errors: a document that is not well formed, for example an HTML error page. */
export function parseXml(document: string): XmlElement {
  const top: XmlElement = { name: '', attributes: '', children: [], text: '' }
  const open = [top]
  for (const [, sign, name = '', attributes = '', selfClosed, text] of document.matchAll(token)) {
    const current = open.at(-1) ?? top
    if (text !== undefined) current.text += text
    else if (sign === '/') {
      if (open.length < 2 || current.name !== name) throw new Error(`not XML: </${name}> inside <${current.name}>`)
      open.pop()
    } else if (sign === '') {
      const element = { name, attributes: attributes.trimEnd(), children: [], text: '' }
      current.children.push(element)
      if (selfClosed !== '/') open.push(element)
    }
  }
  const root = top.children[0]
  if (root === undefined || open.length > 1) throw new Error('not XML: it ends too early')
  return root
}

export function printXml(root: XmlElement): string {
  return `<?xml version="1.0" encoding="UTF-8"?>\n${print(root)}`
}

function print({ name, attributes, children, text }: XmlElement): string {
  const inner = children.length > 0 ? children.map(print).join('') : text
  return inner === '' ? `<${name}${attributes}/>` : `<${name}${attributes}>${inner}</${name}>`
}

export function element(name: string, children: readonly XmlElement[] = []): XmlElement {
  return { name, attributes: '', children: [...children], text: '' }
}

export function leaf(name: string, text: string | number | boolean): XmlElement {
  return { name, attributes: '', children: [], text: escapeXml(String(text)) }
}

export function childOf(parent: XmlElement | undefined, name: string): XmlElement | undefined {
  return parent?.children.find((child) => child.name === name)
}

/** The text of the child `name`; undefined when there is none. */
export function textOf(parent: XmlElement | undefined, name: string): string | undefined {
  const child = childOf(parent, name)
  return child === undefined ? undefined : unescapeXml(child.text)
}

/** The elements of the list `name`: its `member` (elbv2) or `item` (ec2) children. */
export function itemsOf(parent: XmlElement | undefined, name: string): XmlElement[] {
  return childOf(parent, name)?.children ?? []
}

/** Puts `child` in the place of the one with its name, or at the end. */
export function put(parent: XmlElement, child: XmlElement): void {
  const at = parent.children.findIndex(({ name }) => name === child.name)
  if (at < 0) parent.children.push(child)
  else parent.children[at] = child
}

export function removeChildren(parent: XmlElement, ...names: string[]): void {
  parent.children = parent.children.filter(({ name }) => !names.includes(name))
}

export function unescapeXml(text: string): string {
  return text
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&apos;', "'")
    .replaceAll('&amp;', '&')
}
