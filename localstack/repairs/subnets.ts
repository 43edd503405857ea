/** moto writes the state of a subnet's IPv6 range as a structure in text, `{'State': 'associated'}`, which no client takes for one. */
import type { Layer } from '../layer.ts'

export const subnets: Layer = async (call, next) => {
  const answer = await next(call)
  if (call.service !== 'ec2' || call.action !== 'DescribeSubnets') return answer
  const body = answer.body.replaceAll(
    /\{(?:'|&#39;|&apos;)State(?:'|&#39;|&apos;): (?:'|&#39;|&apos;)(\w+)(?:'|&#39;|&apos;)\}/g,
    '$1',
  )
  return { ...answer, body }
}
