/**
 * moto writes `loadbalancer/app/` and `listener/app/` into the ARNs of Network Load Balancers. Innermost of the repairs: all others see
 * AWS's form. Load balancers of other types do not occur here.
 */
import type { Layer } from '../layer.ts'

export const arnForm: Layer = async (call, next) => {
  if (call.service !== 'elbv2') return await next(call)
  const parameters = new Map(
    [...call.parameters].map(([name, value]) => [name, value.startsWith('arn:') ? withType(value, 'app') : value]),
  )
  const answer = await next({ ...call, parameters })
  return { ...answer, body: withType(answer.body, 'net') }
}

function withType(text: string, type: 'app' | 'net'): string {
  return text.replaceAll(/:(loadbalancer|listener|listener-rule)\/(?:app|net)\//g, `:$1/${type}/`)
}
