/** LoadBalancerClasses from a file, as an installation brings them along: a YAML stream of whole objects, or JSON. */
import { parseAllDocuments } from 'yaml'
import { parseLoadBalancerClass } from './load-balancer-class.ts'
import type { LoadBalancerClass } from './load-balancer-class.ts'
import { apiVersion, dnsLabel } from './metadata.ts'
import type { Parsed } from './metadata.ts'

/** Every document is a valid LoadBalancerClass, no name comes twice; or one line for each mistake. */
export function parseClassFile(text: string): Parsed<LoadBalancerClass[]> {
  const classes: LoadBalancerClass[] = []
  const mistakes: string[] = []
  const documents = parseAllDocuments(text)
  for (const [index, document] of (Array.isArray(documents) ? documents : []).entries()) {
    const where = `document ${index + 1}`
    const broken = document.errors[0]
    if (broken !== undefined) {
      mistakes.push(`${where}: ${broken.message.split('\n')[0] ?? ''}`)
      continue
    }
    const object = document.toJS() as Partial<LoadBalancerClass> | null
    if (object === null) continue
    const name = object.metadata?.name ?? ''
    if (object.apiVersion !== apiVersion || object.kind !== 'LoadBalancerClass') {
      mistakes.push(`${where}: apiVersion must be ${apiVersion} and kind LoadBalancerClass`)
    } else if (!dnsLabel.safeParse(name).success) {
      mistakes.push(`${where}: metadata.name must be lower case letters, digits and "-", at most 63`)
    } else if (classes.some((one) => one.metadata.name === name)) {
      mistakes.push(`${where}: class ${name} is there twice`)
    } else {
      const parsed = parseLoadBalancerClass(object)
      if (parsed.ok) classes.push(object as LoadBalancerClass)
      else mistakes.push(...parsed.mistakes.map((mistake) => `class ${name}: ${mistake}`))
    }
  }
  return mistakes.length === 0 ? { ok: true, value: classes } : { ok: false, mistakes }
}
