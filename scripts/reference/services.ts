/** docs/reference/services.md: annotations that a Service may carry and what each cloud can do, from the parsers and providers. */
import { awsCore } from '../../providers/aws/core.ts'
import { createLocalProvider } from '../../providers/local/provider.ts'
import { createFakeLocal } from '../../providers/local/fake.ts'
import type { Provider } from '../../providers/contract.ts'
import { commonAnnotations } from '../../reconcilers/annotations.ts'
import { annotationPrefix } from '../../reconcilers/words.ts'
import { markdownTable } from './markdown.ts'

type Described = Pick<Provider, 'name' | 'features'>

export function servicesPage(): Promise<string> {
  return Promise.resolve(page([createLocalProvider(createFakeLocal({}).cloud), awsCore()]))
}

function page(providers: readonly Described[]): string {
  const annotations = Object.entries(commonAnnotations()).map(([key, expects]) => [
    `\`${annotationPrefix}${key}\``,
    expects,
    'all',
  ])
  const special = providers.flatMap((provider) =>
    Object.entries(provider.features.parameters).map(([key, meaning]) => [
      `\`${annotationPrefix}${key}\``,
      meaning,
      provider.name,
    ]),
  )
  const yes = (value: boolean) => (value ? 'yes' : 'no')
  const features: [string, (provider: Described) => string][] = [
    ['protocols', ({ features }) => features.protocols.join(', ')],
    ['IPv4 and IPv6 together', ({ features }) => yes(features.dualStack)],
    ['works without node ports', ({ features }) => yes(features.withoutNodePorts)],
    ['source ranges', ({ features }) => yes(features.sourceRanges)],
    ['session affinity by client address', ({ features }) => yes(features.clientIpAffinity)],
    ['a requested address', ({ features }) => yes(features.requestedAddress)],
    ['ports of one load balancer', ({ features }) => String(features.limits.portsPerLoadBalancer)],
    ['targets of one load balancer', ({ features }) => String(features.limits.targetsPerLoadBalancer)],
  ]
  return `# Services

## Annotations
${markdownTable(['annotation', 'value', 'clouds'], [...annotations, ...special])}

## What the clouds can do
${markdownTable(
  ['feature', ...providers.map((provider) => provider.name)],
  features.map(([name, value]) => [name, ...providers.map(value)]),
)}
`
}
