/** The behaviour suite of every provider, on AWS's over the real SDK. */
import { describe, test } from 'node:test'
import { awsSkips } from '../../providers/aws/world.ts'
import { conformance } from '../../providers/conformance.ts'
import { needsEmulator, sharedEmulator } from './account.ts'
import { httpWorld } from './http-world.ts'

/** Beyond what AWS itself is not like. */
const skips = {
  'a dual-stack load balancer has an address of each family':
    'the seeded subnets have no IPv6 ranges; the same test runs on the fake',
}

const lacking = needsEmulator()
if (lacking === false) {
  const emulator = sharedEmulator()
  conformance('aws (SDK and emulator)', {
    start: async () => httpWorld(await emulator()),
    skip: { ...awsSkips, ...skips },
    runs: 2,
    fewestNodes: 1,
  })
} else {
  describe('aws (SDK and emulator): provider conformance', () => {
    test('the suite', { skip: lacking }, () => {})
  })
}
