/**
 * Reads `application/vnd.kubernetes.protobuf` bodies into JSON trees, because typed clients of client-go 0.32 and newer (kubectl create,
 * leader election) send nothing else and do not fall back. Answers stay JSON, which those clients accept.
 * fields.json holds `number:name:type` per Go struct, taken from the protobuf tags of k8s.io/api v0.36 (Apache-2.0); an empty name is an
 * inlined struct. Zero values that Go writes for unset fields are left to the canonical form of the kinds.
 * Format: k8s.io/apimachinery/pkg/runtime/serializer/protobuf, protobuf encoding.
 */
import fields from './fields.json' with { type: 'json' }

interface Field {
  name: string
  type: string
}

const structs: ReadonlyMap<string, ReadonlyMap<number, Field>> = new Map(
  Object.entries(fields as Record<string, string>).map(([struct, text]) => [struct, parseFields(text)]),
)

function parseFields(text: string): Map<number, Field> {
  return new Map(
    text
      .split(' ')
      .filter((field) => field !== '')
      .map((field) => {
        const [number, name = '', type = ''] = field.split(':')
        return [Number(number), { name, type }]
      }),
  )
}

export class ProtobufError extends Error {
  override readonly name = 'ProtobufError'
}

const magic = [0x6b, 0x38, 0x73, 0x00]

/** The object in an envelope, with kind and apiVersion. Throws ProtobufError. */
export function decodeProtobuf(bytes: Uint8Array): Record<string, unknown> {
  if (!magic.every((byte, index) => bytes[index] === byte)) throw new ProtobufError('not a Kubernetes protobuf message')
  let typeMeta: Uint8Array = new Uint8Array()
  let raw: Uint8Array = new Uint8Array()
  for (const { number, bytes: content } of wireFields(bytes.subarray(magic.length))) {
    if (number === 1) typeMeta = content
    else if (number === 2) raw = content
  }
  const names = [...wireFields(typeMeta)]
  const nameAt = (wanted: number) => text(names.find(({ number }) => number === wanted)?.bytes ?? new Uint8Array())
  const kind = nameAt(2)
  if (!structs.has(kind)) throw new ProtobufError(`no kind ${JSON.stringify(kind)} is known`)
  return { kind, apiVersion: nameAt(1), ...message(raw, kind) }
}

interface WireField {
  number: number
  /** Varint and fixed values. */
  value: bigint
  /** Length-delimited values. */
  bytes: Uint8Array
}

const none = new Uint8Array()

function* wireFields(bytes: Uint8Array): Iterable<WireField> {
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined || shift > 63n) throw new ProtobufError('truncated message')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return BigInt.asIntN(64, value)
    }
  }
  const take = (length: number): Uint8Array => {
    if (length < 0 || at + length > bytes.length) throw new ProtobufError('truncated message')
    at += length
    return bytes.subarray(at - length, at)
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const number = tag >>> 3
    const wire = tag & 7
    if (wire === 0) yield { number, value: varint(), bytes: none }
    else if (wire === 2) yield { number, value: 0n, bytes: take(Number(varint())) }
    else if (wire === 1) yield { number, value: 0n, bytes: take(8) }
    else if (wire === 5) yield { number, value: 0n, bytes: take(4) }
    else throw new ProtobufError(`unknown wire type ${wire}`)
  }
}

const utf8 = new TextDecoder()

function text(bytes: Uint8Array): string {
  return utf8.decode(bytes)
}

function message(bytes: Uint8Array, struct: string): Record<string, unknown> {
  const known = structs.get(struct)
  const object: Record<string, unknown> = {}
  for (const field of wireFields(bytes)) {
    const definition = known?.get(field.number)
    if (!definition) continue
    const { name, type } = definition
    if (name === '') Object.assign(object, message(field.bytes, type))
    else if (type.startsWith('[]')) append(object, name, single(field, type.slice(2)))
    else if (type.startsWith('{}')) put(object, name, field.bytes, type.slice(2))
    else {
      const value = single(field, type)
      if (value !== undefined) object[name] = value
    }
  }
  return object
}

function append(object: Record<string, unknown>, name: string, value: unknown): void {
  const list = object[name]
  if (Array.isArray(list)) list.push(value)
  else object[name] = [value]
}

/** A map travels as entries of key 1 and value 2. */
function put(object: Record<string, unknown>, name: string, entry: Uint8Array, type: string): void {
  const map = (object[name] ?? {}) as Record<string, unknown>
  object[name] = map
  let key = ''
  let value = single({ number: 2, value: 0n, bytes: none }, type)
  for (const field of wireFields(entry)) {
    if (field.number === 1) key = text(field.bytes)
    else if (field.number === 2) value = single(field, type)
  }
  map[key] = value
}

function single(field: WireField, type: string): unknown {
  switch (type) {
    case 'string':
      return text(field.bytes)
    case 'int':
      return Number(field.value)
    case 'bool':
      return field.value !== 0n
    case 'double':
      return Buffer.from(field.bytes).readDoubleLE(0)
    case 'bytes':
      return Buffer.from(field.bytes).toString('base64')
    case 'raw':
      return rawJson(field.bytes)
    case 'quantity':
      return text(part(field.bytes, 1)?.bytes ?? none)
    case 'intOrString':
      return intOrString(field.bytes)
    case 'time':
    case 'microtime':
      return time(field.bytes, type === 'microtime')
    default:
      return message(field.bytes, type)
  }
}

function part(bytes: Uint8Array, number: number): WireField | undefined {
  return [...wireFields(bytes)].find((field) => field.number === number)
}

function rawJson(bytes: Uint8Array): unknown {
  const content = part(bytes, 1)?.bytes
  if (!content || content.length === 0) return undefined
  try {
    return JSON.parse(text(content))
  } catch (error) {
    throw new ProtobufError('raw content is not JSON', { cause: error })
  }
}

function intOrString(bytes: Uint8Array): number | string {
  const isText = (part(bytes, 1)?.value ?? 0n) === 1n
  return isText ? text(part(bytes, 3)?.bytes ?? none) : Number(part(bytes, 2)?.value ?? 0n)
}

/** The zero time is written as an empty message and means unset. */
function time(bytes: Uint8Array, micro: boolean): string | undefined {
  const seconds = part(bytes, 1)?.value
  const nanos = part(bytes, 2)?.value ?? 0n
  if (seconds === undefined || (seconds === 0n && nanos === 0n)) return undefined
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19)
  if (!micro) return `${whole}Z`
  return `${whole}.${String(nanos / 1000n).padStart(6, '0')}Z`
}
