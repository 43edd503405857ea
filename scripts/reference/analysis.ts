/** docs/reference/analysis.md: the codes of `roadstead analyze` and what each annotation of the AWS controllers is called here. */
import { codes } from '../../cli/analysis/findings.ts'
import { foreignAnnotations } from '../../providers/aws/foreign-annotations.ts'
import { markdownTable } from './markdown.ts'

const origins = { controller: 'controller', 'cloud-provider': 'cloud provider', both: 'both' }

export function analysisPage(): string {
  const findings = Object.entries(codes).map(([code, { level, meaning }]) => [code, level, meaning])
  const rows = foreignAnnotations().map(([key, { of, about }]) => [`\`${key}\``, origins[of], about])
  return `# Analysis
\`roadstead analyze\` reads Services from files or from a cluster and changes nothing.

## Codes
${markdownTable(['code', 'level', 'meaning'], findings)}

## Annotations of other controllers
*controller* is aws-load-balancer-controller, *cloud provider* the AWS cloud provider.

The class of a Service is \`roadstead.dev/public\` or \`roadstead.dev/internal\` after its annotation \`aws-load-balancer-scheme\` or
\`aws-load-balancer-internal\`; without one it is internal for the controller, public for the cloud provider.

${markdownTable(['annotation', 'read by', 'here'], rows)}
`
}
