import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { createVirtualClock } from '../../kube/virtual-clock.ts'
import type { ElementSet } from '../rules/elements.ts'
import type { Nft } from '../nftables/nft.ts'
import type { Run } from '../program.ts'
import { WriteError } from '../writer.ts'
import type { BoundAddresses } from './bound-addresses.ts'
import type { SeenServer } from './kernel-servers.ts'
import { ipvsWriter } from './writer.ts'

interface Kernel {
  servers: Map<string, SeenServer>
  bound: Set<string> | undefined
  /** What was done, in order. */
  steps: string[]
  /** ipvsadm complains about commands that hold this. */
  refuses: string | undefined
  tables: boolean
  /** A look at the servers is as old as it was asked for, and answered when this is done. */
  gate: Promise<void>
}

/** IPVS and the interface in memory, as far as the writer uses them; the table is only there or not. */
function machine() {
  const kernel: Kernel = {
    servers: new Map(),
    bound: undefined,
    steps: [],
    refuses: undefined,
    tables: false,
    gate: Promise.resolve(),
  }
  const carryOut = (command: string): string => {
    const [verb = '', kind = '', at = '', ...rest] = command.split(' ')
    const name = `${kind} ${at}`
    const word = (option: string) => rest[rest.indexOf(option) + 1] ?? ''
    const server = kernel.servers.get(name)
    kernel.steps.push(`${verb.slice(2)} ${at}${rest.includes('--real-server') ? ` ${word('--real-server')}` : ''}`)
    if (kernel.refuses !== undefined && command.includes(kernel.refuses)) return 'Memory allocation problem'
    if (verb === '--add-service') {
      if (server) return 'Service already exists'
      kernel.servers.set(name, { scheduler: word('--scheduler'), flags: '', persistence: 0, targets: new Map() })
    } else if (server === undefined) return 'No such service'
    else if (verb === '--delete-service') kernel.servers.delete(name)
    else if (verb === '--delete-server') server.targets.delete(word('--real-server'))
    else server.targets.set(word('--real-server'), { weight: Number(word('--weight')), connections: 1 })
    return ''
  }
  const run: Run = (program, _args, input = '') => {
    assert.equal(program, 'ipvsadm')
    const stderr = input
      .trim()
      .split('\n')
      .map(carryOut)
      .filter((line) => line !== '')
    return Promise.resolve({ code: 0, stdout: '', stderr: stderr.join('\n') })
  }
  const missing = () => Promise.reject(new WriteError('No such file or directory'))
  const nft: Nft = {
    load(text) {
      kernel.tables = !text.endsWith('delete table ip6 roadstead-ipvs\n')
      kernel.steps.push('nft')
      return Promise.resolve()
    },
    check: () => (kernel.tables ? Promise.resolve() : missing()),
    list: () => (kernel.tables ? Promise.resolve('') : missing()),
    isOurs: () => true,
  }
  const addresses: BoundAddresses = {
    prepare() {
      kernel.bound ??= new Set()
      return Promise.resolve()
    },
    list: () => Promise.resolve(kernel.bound && new Set(kernel.bound)),
    change(add, remove) {
      for (const name of remove) {
        kernel.bound?.delete(name)
        kernel.steps.push(`unbind ${name}`)
      }
      for (const name of add) {
        kernel.bound?.add(name)
        kernel.steps.push(`bind ${name}`)
      }
      return Promise.resolve()
    },
    remove() {
      kernel.bound = undefined
      return Promise.resolve()
    },
  }
  const clock = createVirtualClock()
  const writer = ipvsWriter({
    run,
    nft,
    addresses,
    async servers() {
      const seen = structuredClone(kernel.servers)
      await kernel.gate
      return seen
    },
    skeleton: { local: { ip: { by: 'addresses' }, ip6: { by: 'addresses' } }, masqueradeAll: false, masqueradeBit: 14 },
    plan: { scheduler: 'rr', own: () => new Set() },
    clock,
    isExcluded: () => false,
  })
  return { kernel, writer, clock }
}

const nothing: ElementSet = new Map()
const to = (target: string): ElementSet =>
  new Map([
    ['ip cluster-ips 10.96.0.1', ''],
    ['ip frontends 10.96.0.1 . tcp . 80', ''],
    ['ip svc 10.96.0.1 . tcp . 80', 'goto n1'],
    ['ip ep 10.96.0.1 . tcp . 80 . 0', `${target} . 8080`],
  ])
const slot = (target: string): ElementSet => new Map([['ip ep 10.96.0.1 . tcp . 80 . 0', `${target} . 8080`]])

void describe('the writer of mode ipvs', () => {
  void test('serves by the rules, before the address comes, and takes the address away before the targets', async () => {
    const { kernel, writer } = machine()
    await writer.replace(nothing)
    kernel.steps.length = 0
    await writer.apply({ remove: nothing, add: to('10.244.1.5') })
    assert.deepEqual(kernel.steps, [
      'nft',
      'add-service 10.96.0.1:80',
      'add-server 10.96.0.1:80 10.244.1.5:8080',
      'bind ip 10.96.0.1',
    ])
    kernel.steps.length = 0
    await writer.apply({ remove: to('10.244.1.5'), add: nothing })
    assert.deepEqual(kernel.steps, ['unbind ip 10.96.0.1', 'nft', 'delete-service 10.96.0.1:80'])
  })

  void test('adds the new endpoint before the old one gets no more, and tidies up when that has nothing left', async () => {
    const { kernel, writer } = machine()
    await writer.replace(to('10.244.1.5'))
    kernel.steps.length = 0
    await writer.apply({ remove: slot('10.244.1.5'), add: slot('10.244.1.6') })
    assert.deepEqual(kernel.steps, [
      'add-server 10.96.0.1:80 10.244.1.6:8080',
      'nft',
      'edit-server 10.96.0.1:80 10.244.1.5:8080',
    ])
    const targets = kernel.servers.get('--tcp-service 10.96.0.1:80')?.targets
    assert.equal(targets?.get('10.244.1.5:8080')?.weight, 0)
    assert.ok(await writer.intact())
    assert.ok(targets?.has('10.244.1.5:8080'), 'it has a connection')
    targets?.set('10.244.1.5:8080', { weight: 0, connections: 0 })
    assert.ok(await writer.intact())
    assert.ok(!targets?.has('10.244.1.5:8080'))
  })

  void test('starts from what the kernel has after a write that failed half-way', async () => {
    const { kernel, writer } = machine()
    await writer.replace(nothing)
    kernel.refuses = 'add-server'
    await assert.rejects(writer.apply({ remove: nothing, add: to('10.244.1.5') }), /Memory allocation problem/)
    kernel.refuses = undefined
    await writer.replace(to('10.244.1.5'))
    assert.deepEqual([...(kernel.servers.get('--tcp-service 10.96.0.1:80')?.targets.keys() ?? [])], ['10.244.1.5:8080'])
    assert.ok(await writer.intact())
  })

  void test('sees a target or an address that somebody has taken away', async () => {
    const { kernel, writer } = machine()
    await writer.replace(to('10.244.1.5'))
    kernel.servers.get('--tcp-service 10.96.0.1:80')?.targets.clear()
    assert.ok(!(await writer.intact()))
    await writer.replace(to('10.244.1.5'))
    assert.ok(await writer.intact())
    kernel.bound?.clear()
    assert.ok(!(await writer.intact()))
  })

  void test('leaves virtual servers of others alone, also when it removes its own', async () => {
    const { kernel, writer } = machine()
    kernel.servers.set('--tcp-service 192.0.2.1:99', {
      scheduler: 'wrr',
      flags: '',
      persistence: 0,
      targets: new Map(),
    })
    await writer.replace(to('10.244.1.5'))
    assert.ok(await writer.intact())
    await writer.remove()
    assert.deepEqual([...kernel.servers.keys()], ['--tcp-service 192.0.2.1:99'])
    assert.deepEqual([kernel.bound, kernel.tables], [undefined, false])
  })

  void test('replaces a virtual server that an earlier process has left on a bound address', async () => {
    const { kernel, writer } = machine()
    kernel.bound = new Set(['ip 10.96.0.7'])
    kernel.servers.set('--tcp-service 10.96.0.7:80', { scheduler: 'rr', flags: '', persistence: 0, targets: new Map() })
    await writer.replace(to('10.244.1.5'))
    assert.deepEqual([...kernel.servers.keys()], ['--tcp-service 10.96.0.1:80'])
    assert.deepEqual([...(kernel.bound ?? [])], ['ip 10.96.0.1'])
  })

  void test('takes marks of its own away that no record tells of', async () => {
    const { kernel, writer } = machine()
    kernel.servers.set('--fwmark-service 1381171201', {
      scheduler: 'rr',
      flags: '',
      persistence: 0,
      targets: new Map(),
    })
    kernel.servers.set('--fwmark-service 7', { scheduler: 'rr', flags: '', persistence: 0, targets: new Map() })
    await writer.replace(to('10.244.1.5'))
    assert.deepEqual([...kernel.servers.keys()].sort(), ['--fwmark-service 7', '--tcp-service 10.96.0.1:80'])
  })

  void test('tells of what somebody else changed, and lets go of ended targets, without being asked', async () => {
    const { kernel, writer, clock } = machine()
    await writer.replace(to('10.244.1.5'))
    await writer.apply({ remove: slot('10.244.1.5'), add: slot('10.244.1.6') })
    let told = 0
    const stop = writer.watch?.(() => told++)
    const targets = kernel.servers.get('--tcp-service 10.96.0.1:80')?.targets
    targets?.set('10.244.1.5:8080', { weight: 0, connections: 0 })
    await clock.advance(1000)
    assert.deepEqual([[...(targets?.keys() ?? [])], told], [['10.244.1.6:8080'], 0])
    targets?.clear()
    await clock.advance(1000)
    assert.equal(told, 1)
    stop?.()
    assert.equal(clock.pending, 0)
  })

  void test('looks again as soon as usual after one look that something held up', async () => {
    const { kernel, writer, clock } = machine()
    await writer.replace(to('10.244.1.5'))
    let told = 0
    const stop = writer.watch?.(() => told++)
    await clock.advance(1000)
    const gate = Promise.withResolvers<void>()
    kernel.gate = gate.promise
    await clock.advance(1500)
    gate.resolve()
    await clock.advance(0)
    kernel.servers.clear()
    await clock.advance(1000)
    assert.equal(told, 1)
    stop?.()
  })

  void test('does not take what it saw before a write for what is there after it', async () => {
    const { kernel, writer, clock } = machine()
    await writer.replace(to('10.244.1.5'))
    let told = 0
    const stop = writer.watch?.(() => told++)
    const gate = Promise.withResolvers<void>()
    kernel.gate = gate.promise
    await clock.advance(1000)
    await writer.apply({ remove: slot('10.244.1.5'), add: slot('10.244.1.6') })
    gate.resolve()
    await clock.advance(0)
    await writer.apply({ remove: slot('10.244.1.6'), add: slot('10.244.1.5') })
    assert.equal(kernel.servers.get('--tcp-service 10.96.0.1:80')?.targets.get('10.244.1.5:8080')?.weight, 1)
    assert.equal(kernel.servers.get('--tcp-service 10.96.0.1:80')?.targets.get('10.244.1.6:8080')?.weight, 0)
    assert.equal(told, 0)
    stop?.()
  })
})
