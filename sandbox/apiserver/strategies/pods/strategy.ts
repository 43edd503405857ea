/** Pods: Pending from the start, nearly immutable, with a status of their own. Source: pkg/registry/core/pod/strategy.go. */
import type { Pod } from '../../../../kube/objects.ts'
import type { Strategy } from '../../strategy.ts'
import { builtIn } from '../built-in.ts'
import { dns1123Label, dns1123Subdomain } from '../syntax.ts'
import { admitPod, qosClass, setPodDefaults } from './defaults.ts'
import { podSpecErrors, podStatusErrors, podUpdateErrors } from './validation.ts'
import { specOf } from './spec.ts'

type Status = NonNullable<Pod['status']> & { qosClass?: string }

export function podStrategy(): Strategy<Pod> {
  return builtIn<Pod>({
    kind: 'Pod',
    namespaced: true,
    name: dns1123Subdomain,
    statusSubresource: true,
    countsGeneration: true,
    metaOnUpdate: ['update', 'create'],
    setDefaults: setPodDefaults,
    prepareForCreate: (pod) => {
      admitPod(pod)
      const status: Status = { phase: 'Pending', qosClass: qosClass(pod) }
      pod.status = status
    },
    prepareForUpdate: (pod, old, subresource) => {
      if (subresource === 'status') {
        pod.spec = structuredClone(old.spec)
        const status = (pod.status ??= {}) as Status
        const { qosClass: before } = (old.status ?? {}) as Status
        if (!status.qosClass && before !== undefined) status.qosClass = before
        if (old.metadata.ownerReferences === undefined) delete pod.metadata.ownerReferences
        else pod.metadata.ownerReferences = structuredClone(old.metadata.ownerReferences)
      } else pod.status = structuredClone(old.status ?? {})
    },
    errors: (pod) => podSpecErrors(specOf(pod), 'spec'),
    changeErrors: podUpdateErrors,
    subresourceErrors: (pod, old, subresource) => (subresource === 'status' ? podStatusErrors(pod, old) : []),
    warnings: ({ metadata }, old) => (old === undefined ? nameWarnings(metadata.name ?? '') : []),
  })
}

function nameWarnings(name: string): string[] {
  const faults = dns1123Label(name)
  if (faults.length === 0) return []
  const text = "this is used in the Pod's hostname, which can result in surprising behavior; a DNS label is recommended"
  return [`metadata.name: ${text}: [${faults.join(' ')}]`]
}
