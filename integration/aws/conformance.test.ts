/** The behaviour suite of every provider, on AWS's over the real SDK. */
import { describe, test } from 'node:test'
import { conformance } from '../../providers/conformance.ts'
import { needsEmulator, sharedEmulator } from './account.ts'
import { httpWorld } from './http-world.ts'

const lacking = needsEmulator()
if (lacking === false) {
  const emulator = sharedEmulator()
  conformance('aws (SDK and emulator)', {
    start: async () => httpWorld(await emulator()),
    runs: 2,
    fewestNodes: 1,
  })
} else {
  describe('aws (SDK and emulator): provider conformance', () => {
    test('the suite', { skip: lacking }, () => {})
  })
}
