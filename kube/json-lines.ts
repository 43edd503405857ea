/**
 * Newline-delimited JSON from a byte stream, as a watch sends it: values may be cut anywhere between chunks, also inside
 * a UTF-8 sequence. What is left over without its newline when the stream ends is an error, not a value.
 */
import { TextDecoder } from 'node:util'
import { ConnectionError } from './api-failure.ts'

/** etcd refuses objects over 1.5 MiB; a longer line is not a watch event but garbage that would fill the memory. */
const longestLine = 32 * 1024 * 1024

/** Yields each line parsed. Throws ConnectionError on bad JSON, bad UTF-8, an endless line or a cut last line. */
export async function* jsonLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void, undefined> {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  let pending: string[] = []
  let length = 0
  for await (const chunk of chunks) {
    const lines = decode(decoder, chunk).split('\n')
    const rest = lines.pop() ?? ''
    for (const line of lines) {
      const whole = pending.length === 0 ? line : pending.join('') + line
      pending = []
      length = 0
      if (whole.trim() !== '') yield parse(whole)
    }
    if (rest === '') continue
    pending.push(rest)
    length += rest.length
    if (length > longestLine) throw new ConnectionError(`the stream sent a line longer than ${longestLine} characters`)
  }
  if (pending.join('').trim() !== '') throw new ConnectionError('the stream ended in the middle of an event')
}

function decode(decoder: TextDecoder, chunk: Uint8Array): string {
  try {
    return decoder.decode(chunk, { stream: true })
  } catch (cause) {
    throw new ConnectionError('the stream is not UTF-8', { cause })
  }
}

function parse(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (cause) {
    throw new ConnectionError(`the stream sent something that is not JSON: ${line.slice(0, 100)}`, { cause })
  }
}
