import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { parse } from 'yaml'
import { loadBalancerClasses } from '../crds/load-balancer-class.ts'
import type { LoadBalancerClass } from '../crds/load-balancer-class.ts'
import { crdTexts } from '../crds/texts.ts'
import { silent } from '../kube/log.ts'
import type { KubeObject } from '../kube/objects.ts'
import { resourceType } from '../kube/resources.ts'
import { createVirtualClock } from '../kube/virtual-clock.ts'
import { createApi } from '../sandbox/apiserver/api.ts'
import { inProcessClient } from '../sandbox/apiserver/in-process-client.ts'
import { applyBundledClasses } from './bundled-classes.ts'

const crds = resourceType('apiextensions.k8s.io/v1', 'CustomResourceDefinition', 'customresourcedefinitions', false)
const at = { name: 'public' }

function bundled(scheme: 'public' | 'internal' = 'public'): LoadBalancerClass {
  const spec = { clouds: [{ name: 'aws' }], scheme }
  return { apiVersion: 'roadstead.dev/v1alpha1', kind: 'LoadBalancerClass', metadata: { name: 'public' }, spec }
}

function world() {
  const clock = createVirtualClock()
  const client = inProcessClient(createApi({ clock }), 'test')
  const warnings: string[] = []
  const log = { ...silent, warn: (_: unknown, text: string) => warnings.push(text) }
  return {
    clock,
    client,
    warnings,
    installCrds: async () => {
      for (const text of await crdTexts()) await client.create(crds, parse(text) as KubeObject)
    },
    apply: (one: LoadBalancerClass) =>
      applyBundledClasses({ client, classes: [one], clock, random: () => 0.5, log }, new AbortController().signal),
  }
}

describe('classes an installation brings along', () => {
  test('wait for the kind to be served', async () => {
    const { clock, client, installCrds, apply } = world()
    const applied = apply(bundled())
    await clock.advance(5000)
    await installCrds()
    await clock.advance(30_000)
    await applied
    assert.equal((await client.get(loadBalancerClasses, at)).spec.scheme, 'public')
  })

  test('nothing is written when they stand; a changed value of the installation is', async () => {
    const { client, installCrds, apply } = world()
    await installCrds()
    await apply(bundled())
    const first = await client.get(loadBalancerClasses, at)
    await apply(bundled())
    assert.equal((await client.get(loadBalancerClasses, at)).metadata.resourceVersion, first.metadata.resourceVersion)
    await apply(bundled('internal'))
    assert.equal((await client.get(loadBalancerClasses, at)).spec.scheme, 'internal')
  })

  test('what a person has changed stays, and the log says so', async () => {
    const { client, installCrds, apply, warnings } = world()
    await installCrds()
    await apply(bundled())
    await client.patch(
      loadBalancerClasses,
      at,
      { type: 'merge', body: { spec: { scheme: 'internal' } } },
      { fieldManager: 'kubectl-edit' },
    )
    await apply(bundled())
    assert.equal((await client.get(loadBalancerClasses, at)).spec.scheme, 'internal')
    assert.equal(warnings.length, 1)
  })
})
