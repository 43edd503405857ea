/**
 * moto writes `loadbalancer/app/` and `listener/app/` into the ARNs of Network Load Balancers and another DNS name than AWS. Innermost
 * of the repairs: all others see AWS's form. Load balancers of other types do not occur here.
 */
import type { Answer } from '../answer.ts'
import type { Layer } from '../layer.ts'

export const arnForm: Layer = async (call, next) => {
  if (call.service !== 'elbv2') return await next(call)
  const parameters = new Map(
    [...call.parameters].map(([name, value]) => [name, value.startsWith('arn:') ? toApp(value) : value]),
  )
  return toAws(await next({ ...call, parameters }))
}

function toApp(text: string): string {
  return text.replaceAll(/:(loadbalancer|listener|listener-rule)\/net\//g, ':$1/app/')
}

function toAws(answer: Answer): Answer {
  const body = answer.body.replaceAll(/:(loadbalancer|listener|listener-rule)\/app\//g, ':$1/net/')
  // <name>-1.<region>.elb.amazonaws.com; the last part of AWS's name is the id of the ARN, put in where the whole object is known.
  return { ...answer, body }
}
