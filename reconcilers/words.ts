/** The names Roadstead writes into other people's objects. Changing one breaks clusters that run an older version. */
const group = 'roadstead.dev'
export const annotationPrefix = `${group}/`
/** `spec.loadBalancerClass` of our Services: this and the name of a LoadBalancerClass. */
export const classPrefix = `${group}/`

export const finalizer = `${group}/load-balancer`
/** Of Services without a class: the finalizer of Kubernetes' own service controller, so that people can move in both directions. */
export const defaultClassFinalizer = 'service.kubernetes.io/load-balancer-cleanup'

/** Node label: the name of the cloud a node belongs to, whatever its providerID says; empty: to none. */
export const cloudLabel = `${group}/cloud`

export const conditionTypes = {
  /** The Service, its class and its annotations can be provisioned as they are. */
  accepted: `${group}/Accepted`,
  /** Everything stands in every cloud as it should. */
  programmed: `${group}/Programmed`,
  /** As many clouds serve as the class asks for. */
  ready: `${group}/Ready`,
  /** Reason: the policy whose health checks are in effect everywhere. The node proxy waits for it. */
  trafficPolicy: `${group}/ExternalTrafficPolicy`,
  /** Everything is as asked, and still there is something to know: a node left out, ports opened wider. Absent when there is nothing. */
  notice: `${group}/Notice`,
  /** core/v1: some port could not be provisioned (KEP-1435). */
  portsError: 'LoadBalancerPortsError',
} as const

/** Reports in events and managed fields. */
export const component = 'roadstead-operator'
