/**
 * The AWS side: an emulator behind the fault proxy, with seeds. The operator's way in is a door that can be shut, as an endpoint that is
 * down; tests look and change things by hand past the proxy, uncounted.
 */
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { once } from 'node:events'
import { after } from 'node:test'
import type { Emulator } from '../../localstack/emulator.ts'
import { startEmulator } from '../../localstack/emulator.ts'
import type { Faults } from '../../localstack/faults.ts'
import { startFaultProxy } from '../../localstack/fault-proxy.ts'
import type { FaultProxy } from '../../localstack/fault-proxy.ts'
import type { CallRecord } from '../../localstack/journal.ts'
import { testRegion } from '../../localstack/sdk-clients.ts'
import { seed } from '../../localstack/seed.ts'
import type { SettingsChange } from '../../localstack/settings.ts'
import type { AwsCloud } from '../../providers/aws/cloud.ts'
import { createSdkCloud } from '../../providers/aws/sdk.ts'
import { requires } from '../../scripts/requires.ts'
import type { Machine } from './cluster.ts'
import type { Inventory } from './inventory.ts'
import { inventoryOf } from './inventory.ts'

export interface AccountOptions {
  /** Instances in the account; default 3. */
  machines?: number
  /** IPv6 ranges in the VPC and its subnets; default false. */
  ipv6?: boolean
  settings?: SettingsChange
}

export interface Account {
  /** For the AWS SDK of an operator: its way goes through the door and the proxy. */
  env: Readonly<Record<string, string>>
  vpcId: string
  nodeGroupId: string
  machines: readonly Machine[]
  /** The provider's own port on the same account, past the proxy. */
  cloud: AwsCloud
  proxy: FaultProxy
  faults: Faults
  /** Calls since the last `forget`. */
  calls: () => number
  record: () => readonly CallRecord[]
  forget: () => void
  inventory: () => Promise<Inventory>
  /** `tcp 30080-30080` for each inbound rule of the nodes' group, sorted. */
  nodeGroupPorts: () => Promise<readonly string[]>
  /**
   * When the `nth` call from now on, by default of those that change something, has been carried out, `then` runs before its answer goes
   * out, which waits for it. Returns the way to switch it off.
   */
  beforeAnswer: (nth: number, then: (record: CallRecord) => Promise<void>, which?: 'mutating' | 'any') => () => void
  door: { shut: () => Promise<void>; open: () => Promise<void> }
  close: () => Promise<void>
}

const signal = new AbortController().signal
const credentials = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'test', AWS_EC2_METADATA_DISABLED: 'true' }

/** The reason to skip, as node:test wants it. */
export function needsEmulator(): string | false {
  return requires('moto')
}

/** For the head of a test file: one emulator, started when it is first asked for and ended with the file. */
export function sharedEmulator(): () => Promise<Emulator> {
  let emulator: Promise<Emulator> | undefined
  after(async () => (await emulator)?.close())
  return () => (emulator ??= startEmulator())
}

/** A fresh account on a running emulator; what an earlier one left there is wiped where the emulator can. */
export async function startAccount(
  emulator: Emulator,
  { machines = 3, ipv6 = false, settings }: AccountOptions = {},
): Promise<Account> {
  if (emulator.kind === 'moto') await fetch(`${emulator.url}/moto-api/reset`, { method: 'POST' })
  const proxy = await startFaultProxy({ upstream: emulator.url, ...(settings === undefined ? {} : { settings }) })
  const { vpcId, nodeGroupId, instances } = await seed(proxy.quietUrl, { nodes: machines, ipv6 })
  Object.assign(process.env, credentials)
  const cloud = await createSdkCloud({ endpoint: proxy.quietUrl, region: testRegion })
  let forgotten = 0
  const door = await openDoor(Number(new URL(proxy.url).port))
  return {
    env: { ...credentials, AWS_REGION: testRegion, AWS_ENDPOINT_URL: `http://127.0.0.1:${door.port}` },
    vpcId,
    nodeGroupId,
    machines: instances.map(({ id, zone, privateIp }) => ({ instanceId: id, zone, privateIp })),
    cloud,
    proxy,
    faults: proxy.faults,
    calls: () => proxy.calls().length - forgotten,
    record: () => proxy.calls().slice(forgotten),
    forget() {
      forgotten = proxy.calls().length
    },
    inventory: () => inventoryOf(cloud, vpcId),
    async nodeGroupPorts() {
      const { securityGroups } = await cloud.describeSecurityGroups({ groupIds: [nodeGroupId] }, signal)
      return (securityGroups[0]?.ipPermissions ?? [])
        .map(({ ipProtocol, fromPort, toPort }) => `${ipProtocol} ${fromPort}-${toPort}`)
        .sort()
    },
    beforeAnswer(nth, then, which = 'mutating') {
      let count = 0
      return proxy.onCarriedOut(async (record) => {
        if ((record.mutating || which === 'any') && ++count === nth) await then(record)
      })
    },
    door,
    async close() {
      await door.shut()
      await proxy.close()
    },
  }
}

/** A relay to a port of this machine. Shut, it refuses connections and has cut those there were. */
async function openDoor(target: number) {
  const sockets = new Set<Socket>()
  const server = createServer((client) => {
    const onward = connect(target, '127.0.0.1')
    for (const [socket, other] of [
      [client, onward],
      [onward, client],
    ] as const) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', () => other.destroy())
      socket.on('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  }
  const port = await listen(0)
  return {
    port,
    async open() {
      if (!server.listening) await listen(port)
    },
    async shut() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
