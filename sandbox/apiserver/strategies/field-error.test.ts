import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  duplicate,
  fieldErrorBody,
  forbidden,
  goValue,
  invalid,
  invalidStatus,
  notSupported,
  required,
  tooLong,
} from './field-error.ts'

const service = { group: '', kind: 'Service' }

describe('a field error', () => {
  test('prints value and detail as Go does', () => {
    assert.equal(
      fieldErrorBody(invalid('spec.ports[0].nodePort', 30000, 'provided port is already allocated')),
      'Invalid value: 30000: provided port is already allocated',
    )
    assert.equal(fieldErrorBody(required('spec.ports')), 'Required value')
    assert.equal(fieldErrorBody(forbidden('spec.x', 'not now')), 'Forbidden: not now')
    assert.equal(fieldErrorBody(duplicate('spec.x', 'a')), 'Duplicate value: "a"')
    assert.equal(
      fieldErrorBody(notSupported('x', 'a', ['b', 'c'])),
      'Unsupported value: "a": supported values: "b", "c"',
    )
    assert.equal(fieldErrorBody(tooLong('x', 1)), 'Too long: may not be more than 1 byte')
  })

  test('prints lists and structs as JSON, nothing as null', () => {
    assert.equal(goValue(['10.0.0.1']), '["10.0.0.1"]')
    assert.equal(goValue({ a: '<b>' }), '{"a":"\\u003cb\\u003e"}')
    assert.equal(goValue(undefined), 'null')
    assert.equal(goValue(true), 'true')
  })
})

describe('a 422', () => {
  test('with one error has its bare text', () => {
    const status = invalidStatus(service, 'x', [invalid('spec.ports[0].nodePort', 1, 'no')])
    assert.equal(status.message, 'Service "x" is invalid: spec.ports[0].nodePort: Invalid value: 1: no')
    assert.deepEqual(status.details, {
      name: 'x',
      kind: 'Service',
      causes: [{ reason: 'FieldValueInvalid', message: 'Invalid value: 1: no', field: 'spec.ports[0].nodePort' }],
    })
  })

  test('with several has them in brackets, a repeated one once in the text and twice among the causes', () => {
    const twice = required('a')
    const status = invalidStatus({ group: 'apps', kind: 'Deployment' }, 'x', [twice, twice, required('b')])
    assert.equal(status.message, 'Deployment.apps "x" is invalid: [a: Required value, b: Required value]')
    assert.equal(status.details?.causes?.length, 3)
    assert.equal(status.details?.group, 'apps')
  })
})
