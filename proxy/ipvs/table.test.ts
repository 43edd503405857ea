import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { changeText, recordedIn } from './table.ts'

// As nft 1.0.6 lists it.
const listing = `table ip roadstead-ipvs {
	map svc {
		type ipv4_addr . inet_proto . inet_service : verdict
		elements = { 10.96.0.9 . tcp . 80 : drop }
	}

	map ep {
		typeof ip daddr . meta l4proto . th dport . numgen random mod 2 : ip daddr . th dport
		elements = { 10.96.0.1 . tcp . 80 . 0 : 10.244.1.5 . 8080,
			     10.96.0.1 . tcp . 80 . 1 : 10.244.2.5 . 8080 }
	}

	map learn {
		type classid : mark
		elements = { 0001:0002 : 0x0000003c }
	}

	map marks {
		type ipv4_addr . inet_proto . inet_service : mark
		elements = { 203.0.113.1 . tcp . 80 : 0x52530001,
			     203.0.113.2 . tcp . 80 : 0x52530002 }
	}

	set bound {
		type ipv4_addr
	}
}
table ip6 roadstead-ipvs {
	set bound {
		type ipv6_addr
		elements = { fd00:96::1,
			     2001:db8::1 }
	}
}
`

void describe('the table of mode ipvs', () => {
  void test('is the record of all elements, and of marks and bound addresses', () => {
    const { elements, extras } = recordedIn(listing)
    assert.deepEqual(
      elements,
      new Map([
        ['ip svc 10.96.0.9 . tcp . 80', 'drop'],
        ['ip ep 10.96.0.1 . tcp . 80 . 0', '10.244.1.5 . 8080'],
        ['ip ep 10.96.0.1 . tcp . 80 . 1', '10.244.2.5 . 8080'],
        ['ip learn 0001:0002', 'goto t60'],
        ['ip svc 10.96.0.1 . tcp . 80', 'goto n2'],
      ]),
    )
    assert.deepEqual(
      [...extras.marks],
      [
        ['ip 203.0.113.1 . tcp . 80', 0x5253_0001],
        ['ip 203.0.113.2 . tcp . 80', 0x5253_0002],
      ],
    )
    assert.deepEqual([...extras.bound], ['ip6 fd00:96::1', 'ip6 2001:db8::1'])
  })

  void test('is changed in one transaction, what goes first', () => {
    const none = { marks: new Map<string, number>(), bound: new Set<string>() }
    const text = changeText(
      {
        remove: new Map([
          ['ip svc 10.96.0.1 . tcp . 80', 'goto n2'],
          ['ip ep 10.96.0.1 . tcp . 80 . 1', '10.244.2.5 . 8080'],
        ]),
        add: new Map([
          ['ip svc 10.96.0.1 . tcp . 80', 'drop'],
          ['ip learn 0001:0002', 'goto t60'],
        ]),
      },
      { remove: none, add: { marks: new Map([['ip 203.0.113.1 . tcp . 80', 5]]), bound: new Set(['ip6 fd00:96::1']) } },
    )
    assert.deepEqual(text.trimEnd().split('\n'), [
      'delete element ip roadstead-ipvs ep { 10.96.0.1 . tcp . 80 . 1 }',
      'add element ip roadstead-ipvs svc { 10.96.0.1 . tcp . 80 : drop }',
      'add element ip roadstead-ipvs learn { 0001:0002 : 60 }',
      'add element ip roadstead-ipvs marks { 203.0.113.1 . tcp . 80 : 5 }',
      'add element ip6 roadstead-ipvs bound { fd00:96::1 }',
    ])
  })
})
