/** The size of the kube benchmark's cluster: Kubernetes' own promise of 10,000 Services and 5,000 nodes. */
export const sizes = { services: 10_000, endpointSlices: 10_000, nodes: 5_000 } as const
