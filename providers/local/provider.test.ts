import { conformance } from '../conformance.ts'
import { fakeLocalWorld } from './world.ts'

conformance('local (fake)', { start: fakeLocalWorld })
