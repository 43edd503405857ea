import { conformance } from '../../providers/conformance.ts'
import { apiWorld } from './api-world.ts'

conformance('local (control API)', { start: apiWorld, runs: 10 })
