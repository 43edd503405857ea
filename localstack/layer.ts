/**
 * What stands between the client and the emulator is a stack of layers. Each gets a call and the rest of the stack; it may answer by
 * itself, refuse (AwsRefusal), change the call, or change the answer. A repair of one deviation is one layer.
 */
import type { Answer } from './answer.ts'
import type { AwsCall } from './aws-call.ts'

export type Next = (call: AwsCall) => Promise<Answer>
export type Layer = (call: AwsCall, next: Next) => Promise<Answer>

/** The first layer is the outermost: it sees what the client sees. */
export function stack(layers: readonly Layer[], innermost: Next): Next {
  return layers.reduceRight<Next>((next, layer) => (call) => layer(call, next), innermost)
}
