import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { after, commandsFor, finished, isAsWanted, parseServers } from './kernel-servers.ts'
import type { VirtualServer } from './virtual-servers.ts'

// As ipvsadm 1.31 prints it.
const listing = `IP Virtual Server version 1.2.1 (size=4096)
Prot LocalAddress:Port Scheduler Flags
  -> RemoteAddress:Port           Forward Weight ActiveConn InActConn
TCP  10.96.0.1:80 rr persistent 100
  -> 10.244.0.5:8080              Masq    1      2          1         
  -> 10.244.0.6:8080              Masq    0      0          0         
SCTP [fd00:96::1]:80 rr persistent 60
UDP  10.96.0.1:53 rr
FWM  1381171201 IPv6 sh (sh-fallback)
  -> [fd00:244::5]:8080           Masq    1      0          0         
FWM  1381171202 rr
TCP  10.96.0.2:80 mh (mh-fallback,mh-port) persistent 60
`

const web: VirtualServer = {
  name: '--tcp-service 10.96.0.1:80',
  protocol: 'tcp',
  scheduler: 'rr',
  persistence: 100,
  targets: new Set(['10.244.0.5:8080']),
}

void describe('virtual servers of the kernel', () => {
  const seen = parseServers(listing)

  void test('are read with their targets and connections', () => {
    assert.deepEqual(
      [...seen].map(([name, { scheduler, flags, persistence }]) => `${name} ${scheduler} ${flags} ${persistence}`),
      [
        '--tcp-service 10.96.0.1:80 rr  100',
        '--sctp-service [fd00:96::1]:80 rr  60',
        '--udp-service 10.96.0.1:53 rr  0',
        '--fwmark-service 1381171201 --ipv6 sh sh-fallback 0',
        '--fwmark-service 1381171202 rr  0',
        '--tcp-service 10.96.0.2:80 mh mh-fallback,mh-port 60',
      ],
    )
    assert.deepEqual(seen.get(web.name)?.targets.get('10.244.0.5:8080'), { weight: 1, connections: 3 })
    assert.deepEqual(
      [...(seen.get('--fwmark-service 1381171201 --ipv6')?.targets.keys() ?? [])],
      ['[fd00:244::5]:8080'],
    )
  })

  void test('need nothing when they are as wanted', () => {
    const present = seen.get(web.name)
    assert.ok(present)
    assert.deepEqual(commandsFor(web.name, present, web).first, [])
    assert.ok(isAsWanted(present, web), 'a target of weight 0 finishes what it has')
    assert.ok(!isAsWanted(present, { ...web, persistence: 0 }))
    assert.ok(
      !isAsWanted(present, { ...web, targets: new Set(['10.244.0.6:8080']) }),
      'the other one takes new connections',
    )
  })

  void test('are made before their targets, with the time that clients are remembered', () => {
    assert.deepEqual(commandsFor(web.name, undefined, web).first, [
      '--add-service --tcp-service 10.96.0.1:80 --scheduler rr --persistent 100',
      '--add-server --tcp-service 10.96.0.1:80 --real-server 10.244.0.5:8080 --masquerading --weight 1',
    ])
  })

  void test('let a connection finish at an endpoint that leaves, and take it back with weight 1', () => {
    const moved = { ...web, targets: new Set(['10.244.0.6:8080']) }
    assert.deepEqual(commandsFor(web.name, seen.get(web.name), moved), {
      first: ['--edit-server --tcp-service 10.96.0.1:80 --real-server 10.244.0.6:8080 --masquerading --weight 1'],
      last: ['--edit-server --tcp-service 10.96.0.1:80 --real-server 10.244.0.5:8080 --masquerading --weight 0'],
    })
    const then = after(seen.get(web.name), moved)
    assert.deepEqual(then.targets.get('10.244.0.5:8080'), { weight: 0, connections: 1 })
    assert.deepEqual(commandsFor(web.name, then, web).first, [
      '--edit-server --tcp-service 10.96.0.1:80 --real-server 10.244.0.5:8080 --masquerading --weight 1',
    ])
  })

  void test('do not cut off a connection that came to an idle endpoint after it was looked at', () => {
    const idle = parseServers(listing.replace('2          1', '0          0')).get(web.name)
    assert.equal(idle?.targets.get('10.244.0.5:8080')?.connections, 0)
    assert.deepEqual(commandsFor(web.name, idle, { ...web, targets: new Set() }).last, [
      '--edit-server --tcp-service 10.96.0.1:80 --real-server 10.244.0.5:8080 --masquerading --weight 0',
      '--delete-server --tcp-service 10.96.0.1:80 --real-server 10.244.0.6:8080',
    ])
  })

  void test('look for another target where their scheduler would stay with one of weight 0', () => {
    const hashed: VirtualServer = { ...web, scheduler: 'sh' }
    const how = '--tcp-service 10.96.0.1:80 --scheduler sh --sched-flags sh-fallback --persistent 100'
    assert.deepEqual(commandsFor(web.name, seen.get(web.name), hashed).first, [`--edit-service ${how}`])
    const then = after(seen.get(web.name), hashed)
    assert.deepEqual(commandsFor(web.name, then, hashed).first, [])
    assert.deepEqual(commandsFor(web.name, { ...then, flags: '' }, hashed).first, [`--edit-service ${how}`])
  })

  void test('take an endpoint away at once where no other would be looked for', () => {
    const fixed: VirtualServer = { ...web, scheduler: 'dh', targets: new Set(['10.244.0.6:8080']) }
    const left = '--tcp-service 10.96.0.1:80 --real-server 10.244.0.5:8080'
    assert.deepEqual(commandsFor(web.name, seen.get(web.name), fixed).last, [`--delete-server ${left}`])
    assert.deepEqual([...after(seen.get(web.name), fixed).targets.keys()], ['10.244.0.6:8080'])
  })

  void test('take a UDP endpoint away at once', () => {
    const dns: VirtualServer = { ...web, protocol: 'udp', targets: new Set() }
    assert.deepEqual(commandsFor(web.name, seen.get(web.name), dns).last, [
      '--delete-server --tcp-service 10.96.0.1:80 --real-server 10.244.0.5:8080',
      '--delete-server --tcp-service 10.96.0.1:80 --real-server 10.244.0.6:8080',
    ])
    assert.equal(after(seen.get(web.name), dns).targets.size, 0)
  })

  void test('are deleted as a whole', () => {
    assert.deepEqual(commandsFor(web.name, seen.get(web.name), undefined).last, [
      '--delete-service --tcp-service 10.96.0.1:80',
    ])
    assert.deepEqual(commandsFor(web.name, undefined, undefined), { first: [], last: [] })
  })

  void test('lose targets that have nothing left to finish', () => {
    assert.deepEqual(
      finished(seen, [web]).map(({ command }) => command),
      ['--delete-server --tcp-service 10.96.0.1:80 --real-server 10.244.0.6:8080'],
    )
    assert.deepEqual(finished(seen, [{ ...web, targets: new Set(['10.244.0.6:8080']) }]), [])
  })
})
