/** What a repair asks the emulator for its own use: uncounted calls down the rest of the stack, and what the answers hold. */
import type { Answer } from '../answer.ts'
import { AwsRefusal } from '../answer.ts'
import type { AwsCall, AwsService } from '../aws-call.ts'
import type { Next } from '../layer.ts'
import { parseXml, printXml, unescapeXml, type XmlElement } from '../xml.ts'

const versions: Record<AwsService, string> = { elbv2: '2015-12-01', ec2: '2016-11-15', other: '' }

/** Errors: AwsRefusal with the emulator's own error. */
export async function ask(
  call: AwsCall,
  next: Next,
  service: AwsService,
  action: string,
  parameters: Readonly<Record<string, string>>,
): Promise<XmlElement> {
  const all = new Map(Object.entries({ Action: action, Version: versions[service], ...parameters }))
  const answer = await next({ ...call, service, action, parameters: all })
  if (answer.code !== undefined) throw new AwsRefusal(errorOf(answer))
  return parseXml(answer.body)
}

export function errorOf(answer: Answer) {
  const message = /<Message>([^<]*)<\/Message>/.exec(answer.body)?.[1] ?? ''
  return { code: answer.code ?? 'InternalFailure', message: unescapeXml(message), status: answer.status }
}

/** The same answer with its document changed; errors pass as they are. */
export function rewritten(answer: Answer, change: (root: XmlElement) => void): Answer {
  if (answer.code !== undefined) return answer
  const root = parseXml(answer.body)
  change(root)
  return { ...answer, body: printXml(root) }
}

/** The `<Action>Result` element of an elbv2 answer. */
export function resultOf(root: XmlElement): XmlElement {
  const result = root.children.find(({ name }) => name.endsWith('Result'))
  if (result === undefined) throw new Error(`no result in ${root.name}`)
  return result
}

/** An elbv2 answer made here. */
export function elbv2Answer(call: AwsCall, result: readonly XmlElement[] = []): Answer {
  const { action, requestId } = call
  const text = (name: string, value: string): XmlElement => ({ name, attributes: '', children: [], text: value })
  const root: XmlElement = {
    name: `${action}Response`,
    attributes: ' xmlns="http://elasticloadbalancing.amazonaws.com/doc/2015-12-01/"',
    text: '',
    children: [
      { name: `${action}Result`, attributes: '', text: '', children: [...result] },
      { name: 'ResponseMetadata', attributes: '', text: '', children: [text('RequestId', requestId)] },
    ],
  }
  return { status: 200, body: printXml(root) }
}
