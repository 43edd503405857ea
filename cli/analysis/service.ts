/**
 * The rules of `roadstead analyze` for one Service: which controller has it, what each annotation of the AWS controllers is called here,
 * and whether our own annotations are well formed. Pure; the table of translations is providers/aws/foreign-annotations.ts.
 */
import type { Service } from '../../kube/objects.ts'
import { foreignAnnotation, foreignPrefix, looksForeign } from '../../providers/aws/foreign-annotations.ts'
import type { Equivalent, Origin } from '../../providers/aws/foreign-annotations.ts'
import { parameterMeanings, parseParameters } from '../../providers/aws/parameters.ts'
import { parseAnnotations } from '../../reconcilers/annotations.ts'
import { annotationPrefix, classPrefix } from '../../reconcilers/words.ts'
import type { Code, Equivalents, Finding, ServiceName } from './findings.ts'

export interface AnalysisContext {
  /** Keys of parameters of the clouds other than AWS. */
  otherParameters: Iterable<string>
}

/** Who provisions a Service of type LoadBalancer. */
type Controller = { name: string; ours: boolean; scheme: 'public' | 'internal' | undefined }

const origins: Readonly<Record<Origin, string>> = {
  controller: 'aws-load-balancer-controller',
  'cloud-provider': 'the AWS cloud provider',
  both: 'aws-load-balancer-controller and the AWS cloud provider',
}

const scheme = `${foreignPrefix}aws-load-balancer-scheme`
const internal = `${foreignPrefix}aws-load-balancer-internal`
const type = `${foreignPrefix}aws-load-balancer-type`

/** Empty for a Service that is not of type LoadBalancer. */
export function analyzeService(service: Service, at: ServiceName, context: AnalysisContext): Finding[] {
  if (service.spec.type !== 'LoadBalancer') return []
  const controller = controllerOf(service)
  const annotations = service.metadata.annotations ?? {}
  const finding = (code: Code, found: string, message: string, equivalent?: Equivalents): Finding => ({
    code,
    service: at,
    found,
    message,
    ...(equivalent === undefined ? {} : { equivalent }),
  })
  const foreign = Object.entries(annotations)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, value]) => {
      const found = `${key}: ${value}`
      const row = foreignAnnotation(key)
      if (row === undefined) {
        if (!looksForeign(key)) return []
        return [finding('RS1004', found, 'neither aws-load-balancer-controller nor the AWS cloud provider reads it')]
      }
      const equivalent = row.translate(value.trim(), (name) => annotations[foreignPrefix + name]?.trim())
      const carried = carriedOver(equivalent, context)
      const without = controller.ours && !isRead(key)
      const message = without ? joined('without effect on a Service of Roadstead', carried.message) : carried.message
      const code = without ? 'RS1006' : carried.code
      return [{ ...finding(code, found, message, carried.equivalent), origin: origins[row.of] }]
    })
  return [...classFinding(service, controller, finding), ...ownFindings(annotations, context, finding), ...foreign]
}

/** Kubernetes' own annotation, which Roadstead reads as well. */
function isRead(key: string): boolean {
  return key === `${foreignPrefix}load-balancer-source-ranges`
}

function controllerOf(service: Service): Controller {
  const { loadBalancerClass = '' } = service.spec
  const annotations = service.metadata.annotations ?? {}
  const kind = annotations[type]?.trim()
  const conditions = service.status?.conditions ?? []
  if (loadBalancerClass.startsWith(classPrefix)) return { name: 'Roadstead', ours: true, scheme: undefined }
  if (loadBalancerClass === '' && conditions.some(({ type: condition }) => condition.startsWith(classPrefix)))
    return { name: 'Roadstead', ours: true, scheme: undefined }
  if (
    loadBalancerClass === 'service.k8s.aws/nlb' ||
    (loadBalancerClass === '' && ['external', 'nlb-ip'].includes(kind ?? ''))
  )
    return { name: 'aws-load-balancer-controller', ours: false, scheme: schemeOf(annotations, 'internal') }
  if (loadBalancerClass === 'eks.amazonaws.com/nlb')
    return { name: 'EKS Auto Mode', ours: false, scheme: schemeOf(annotations, 'internal') }
  if (loadBalancerClass !== '') return { name: 'another controller', ours: false, scheme: undefined }
  return { name: 'the cloud provider', ours: false, scheme: schemeOf(annotations, 'public') }
}

function schemeOf(annotations: Readonly<Record<string, string>>, standard: 'public' | 'internal') {
  for (const key of [scheme, internal]) {
    const value = annotations[key]?.trim()
    const equivalent = value === undefined ? undefined : foreignAnnotation(key)?.translate(value, () => undefined)
    if (equivalent?.kind === 'class') return equivalent.scheme
  }
  return standard
}

type MakeFinding = (code: Code, found: string, message: string, equivalent?: Equivalents) => Finding

function classFinding({ spec }: Service, controller: Controller, finding: MakeFinding): Finding[] {
  if (controller.ours) return []
  const found = `spec.loadBalancerClass: ${spec.loadBalancerClass ?? '(none)'}`
  const served = `served by ${controller.name}`
  if (controller.scheme === undefined) return [finding('RS2001', found, served)]
  const loadBalancerClass = classPrefix + controller.scheme
  const message = `${served}, ${controller.scheme === 'public' ? 'reachable from the internet' : 'internal'}; make a second Service with this class`
  return [finding('RS2001', found, message, { fields: { 'spec.loadBalancerClass': loadBalancerClass } })]
}

function ownFindings(
  annotations: Readonly<Record<string, string>>,
  context: AnalysisContext,
  finding: MakeFinding,
): Finding[] {
  return Object.entries(annotations)
    .filter(([key]) => key.startsWith(annotationPrefix))
    .flatMap(([key, value]) =>
      mistakesIn({ [key]: value }, context).map((message) => finding('RS3001', `${key}: ${value}`, message)),
    )
}

/** What is wrong with annotations of ours, one line each. */
function mistakesIn(annotations: Readonly<Record<string, string>>, { otherParameters }: AnalysisContext): string[] {
  const parsed = parseAnnotations(annotations, new Set([...Object.keys(parameterMeanings), ...otherParameters]))
  if (!parsed.ok) return parsed.reasons.map(({ message }) => message)
  const known = Object.entries(parsed.value.parameters).filter(([key]) => Object.hasOwn(parameterMeanings, key))
  const parameters = parseParameters(Object.fromEntries(known))
  return parameters.ok ? [] : parameters.reasons.map(({ message }) => message)
}

interface Carried {
  code: Code
  message: string
  equivalent?: Equivalents
}

function carriedOver(equivalent: Equivalent, context: AnalysisContext): Carried {
  if (equivalent.kind === 'none') return { code: 'RS1003', message: `no equivalent: ${equivalent.why}` }
  if (equivalent.kind === 'unneeded') return { code: 'RS1002', message: `not needed: ${equivalent.why}` }
  if (equivalent.kind === 'class') return asField('spec.loadBalancerClass', classPrefix + equivalent.scheme)
  if (equivalent.kind === 'field') return asField(equivalent.field, equivalent.value)
  const prefixed = Object.entries(equivalent.annotations).map(([key, value]) => [annotationPrefix + key, value])
  const annotations = Object.fromEntries(prefixed) as Record<string, string>
  const mistakes = mistakesIn(annotations, context)
  if (mistakes.length === 0) return { code: 'RS1001', message: equivalent.note ?? '', equivalent: { annotations } }
  return { code: 'RS1005', message: mistakes.join('; '), equivalent: { annotations } }
}

function asField(field: string, value: string): Carried {
  return { code: 'RS1001', message: '', equivalent: { fields: { [field]: value } } }
}

function joined(...parts: string[]): string {
  return parts.filter((part) => part !== '').join('; ')
}
