import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import * as fc from 'fast-check'
import { ConnectionError } from './api-failure.ts'
import { jsonLines } from './json-lines.ts'

async function* stream(...chunks: (string | Uint8Array)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk
}

async function read(chunks: AsyncGenerator<Uint8Array>): Promise<unknown[]> {
  const values: unknown[] = []
  for await (const value of jsonLines(chunks)) values.push(value)
  return values
}

describe('JSON lines', () => {
  test('come out whole wherever the bytes were cut', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.string({ unit: 'grapheme' }), fc.integer()), { maxLength: 5 }),
        fc.array(fc.nat(), { maxLength: 20 }),
        async (values, cuts) => {
          const bytes = Buffer.from(values.map((value) => `${JSON.stringify(value)}\n`).join(''))
          const at = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b)
          const chunks = at.slice(1).map((end, i) => bytes.subarray(at[i], end))
          assert.deepEqual(await read(stream(...chunks)), values)
        },
      ),
    )
  })

  test('may be separated by empty lines and carriage returns', async () => {
    assert.deepEqual(await read(stream('{"a":1}\r\n\n', '\n{"b":2}\n')), [{ a: 1 }, { b: 2 }])
  })

  test('that end before their newline are an error, after the whole ones came out', async () => {
    const seen: unknown[] = []
    await assert.rejects(async () => {
      for await (const value of jsonLines(stream('{"a":1}\n{"b":', '2'))) seen.push(value)
    }, new ConnectionError('the stream ended in the middle of an event'))
    assert.deepEqual(seen, [{ a: 1 }])
  })

  test('that are not JSON are an error that shows their beginning', async () => {
    await assert.rejects(read(stream('<html>bad gateway</html>\n')), /not JSON: <html>bad gateway/)
  })

  test('that are not UTF-8 are an error', async () => {
    await assert.rejects(read(stream(Uint8Array.of(0x22, 0xff, 0xfe, 0x22, 0x0a))), /not UTF-8/)
  })

  test('that never end are an error before they fill the memory', async () => {
    async function* endless() {
      const chunk = Buffer.alloc(4 * 1024 * 1024, 'x')
      for (;;) yield chunk
    }
    await assert.rejects(read(endless()), /longer than/)
  })
})
