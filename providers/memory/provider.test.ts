import { conformance } from '../conformance.ts'
import { memoryWorld } from './world.ts'

conformance('memory', { start: memoryWorld })
