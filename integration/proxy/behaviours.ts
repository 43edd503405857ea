/**
 * What the proxy does, and the tests that show it: docs/reference/proxy.md is made from this and from what a run of the tests found
 * (scripts/reference/proxy.ts). A test is named by its title; a `*` stands for what a title puts in. Whoever renames a test renames it here.
 */
import type { Behaviour } from './behaviours/behaviour.ts'
import { nodeBehaviours } from './behaviours/node.ts'
import { processBehaviours } from './behaviours/process.ts'
import { serviceBehaviours } from './behaviours/services.ts'

export const behaviours: readonly Behaviour[] = [...serviceBehaviours, ...nodeBehaviours, ...processBehaviours]
