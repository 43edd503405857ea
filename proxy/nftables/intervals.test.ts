import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMessages } from '../netlink/messages.ts'
import { changeBatch, command, messageType } from './element-messages.ts'
import { intervalReader } from './intervals.ts'

for (const [family, ranges] of [
  ['ip', ['0.0.0.0/8', '10.245.0.0/24', '10.245.1.0/24', '10.246.0.1', '128.0.0.0/1']],
  ['ip6', ['::/8', 'fd00:1::', 'fd00:1::1', 'fd00:2::/48', 'fe00::/7']],
] as const) {
  test(`networks of ${family} come back from their ends, in whatever order these are shown`, () => {
    for (const order of [ranges, ranges.toReversed()]) {
      const wanted = order.map((range) => `${family} pods ${range}`)
      const datagram = changeBatch({ remove: new Map(), add: new Map(wanted.map((id) => [id, ''])) })
      const reader = intervalReader(family, 'pods')
      readMessages(
        datagram,
        (message) => {
          if (message.type === messageType(command.newElements)) reader.read(message)
        },
        () => {},
      )
      assert.deepEqual(
        reader.ids(),
        ranges.map((range) => `${family} pods ${range}`),
      )
      reader.clear()
      assert.deepEqual(reader.ids(), [])
    }
  })
}
