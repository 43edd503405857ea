/** Emulator, fault proxy and seeds in one: what a test against the AWS API starts with. */
import { type Emulator, startEmulator } from './emulator.ts'
import { type FaultProxy, type FaultProxyOptions, startFaultProxy } from './fault-proxy.ts'
import { probe, repairsFor } from './probe.ts'
import { repairNames } from './repairs/repairs.ts'
import { type Clients, clients } from './sdk-clients.ts'
import { seed, type Seeded, type SeedOptions } from './seed.ts'

export interface Rig {
  emulator: Emulator
  proxy: FaultProxy
  seeded: Seeded
  /** Through the proxy: counted and faulted. */
  sdk: Clients
  /** The same cloud by hand: neither counted nor faulted. */
  hands: Clients
  close(): Promise<void>
}

export interface RigOptions extends Omit<FaultProxyOptions, 'upstream'> {
  seed?: SeedOptions
  /** Told when something has to be installed first. */
  note?: (line: string) => void
}

export async function startRig(options: RigOptions = {}): Promise<Rig> {
  const { seed: seedOptions, note, ...proxyOptions } = options
  const emulator = await startEmulator(note === undefined ? {} : { note })
  // What moto lacks is known; others are asked.
  const repairs = emulator.kind === 'moto' ? repairNames : repairsFor(await probe(emulator.url))
  const proxy = await startFaultProxy({ upstream: emulator.url, repairs, ...proxyOptions })
  const seeded = await seed(proxy.quietUrl, seedOptions)
  const sdk = clients(proxy.url, seeded.region)
  const hands = clients(proxy.quietUrl, seeded.region)
  return {
    emulator,
    proxy,
    seeded,
    sdk,
    hands,
    async close() {
      sdk.destroy()
      hands.destroy()
      await proxy.close()
      await emulator.close()
    },
  }
}
