import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parseListing } from './listing.ts'
import { changeText, textWriter } from './text-writer.ts'

const options = {
  local: { ip: { by: 'nothing' }, ip6: { by: 'nothing' } } as const,
  masqueradeAll: false,
  masqueradeBit: 14,
}

describe('the text of a change', () => {
  test('is one removal and one addition for one endpoint', () => {
    const id = 'ip ep 10.96.0.1 . tcp . 80 . 0'
    const text = changeText({ remove: new Map([[id, '10.0.0.1 . 8080']]), add: new Map([[id, '10.0.0.2 . 8080']]) })
    assert.equal(
      text,
      'delete element ip roadstead ep { 10.96.0.1 . tcp . 80 . 5ead:1 }\n' +
        'add element ip roadstead ep { 10.96.0.1 . tcp . 80 . 5ead:1 : 10.0.0.2 . 8080 }\n',
    )
  })

  test('makes a chain for a new affinity time once, before the element that goes to it', async () => {
    const loaded: string[] = []
    const writer = textWriter(
      {
        load: (text) => Promise.resolve(void loaded.push(text)),
        check: () => Promise.resolve(),
        list: () => Promise.resolve(''),
        isOurs: () => false,
      },
      options,
    )
    const learn = (id: string) => ({
      remove: new Map(),
      add: new Map([[`ip learn ${id}`, 'goto t60']]),
    })
    await writer.apply(learn('1:1'))
    await writer.apply(learn('1:2'))
    assert.match(
      loaded[0] ?? '',
      /^add chain ip roadstead t60\nflush chain[^]*timeout 60s[^]*add element ip roadstead learn/,
    )
    assert.doesNotMatch(loaded[1] ?? '', /chain/)
  })

  test('nothing to change starts no process', async () => {
    const writer = textWriter(
      { load: () => assert.fail(), check: () => assert.fail(), list: () => assert.fail(), isOurs: () => false },
      options,
    )
    await writer.apply({ remove: new Map(), add: new Map() })
    await writer.forget([])
  })
})

describe('a listing', () => {
  const listing = `table ip roadstead {
	map svc {
		type ipv4_addr . inet_proto . inet_service : classid
		elements = { 10.96.0.1 . tcp . 53 : 5eb0:1,
			     10.96.0.1 . tcp . 80 : 5eae:3 }
	}

	map affinity {
		typeof ip saddr . meta priority : ip daddr . th dport
		flags dynamic,timeout
		elements = { 10.0.0.1 . 1a2b:c timeout 3s expires 2s996ms : 10.244.0.11 . 8080 }
	}

	set other {
		type ipv4_addr
		elements = { 10.244.0.0/16 }
	}

	set masq {
		type ipv4_addr . inet_proto . inet_service
	}
	chain n1 {
		dnat ip to ip daddr . meta l4proto . th dport . numgen random mod 1 map @ep
	}
}
table ip6 roadstead {
	set cluster-ips {
		type ipv6_addr
		elements = { fd00:96::1 }
	}
}
`
  test('gives the elements of our maps, of both families, and nothing else', () => {
    assert.deepEqual(
      [...parseListing(listing).elements],
      [
        ['ip svc 10.96.0.1 . tcp . 53', 'drop'],
        ['ip svc 10.96.0.1 . tcp . 80', 'goto n3'],
        ['ip6 cluster-ips fd00:96::1', ''],
      ],
    )
  })

  test('gives the clients the kernel remembers', () => {
    assert.deepEqual(parseListing(listing).affinity, [
      {
        family: 'ip',
        map: 'affinity',
        key: '10.0.0.1 . 1a2b:c',
        lifetime: 'timeout 3s expires 2s996ms',
        value: '10.244.0.11 . 8080',
      },
    ])
  })
})
