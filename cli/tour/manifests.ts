/** The objects of the tour, as a user would write them. */

export interface EchoOptions {
  name: string
  replicas: number
}

/** A Deployment of the echo image: HTTP on 8080, TCP on 9000, UDP on 9001; Pods go gracefully. */
export function echoDeployment({ name, replicas }: EchoOptions): string {
  return `
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      terminationGracePeriodSeconds: 20
      containers:
        - name: echo
          image: echo
          env:
            - { name: TERMINATION_DELAY, value: "4" }
          ports:
            - { name: http, containerPort: 8080 }
            - { name: udp, containerPort: 9001, protocol: UDP }
          readinessProbe:
            httpGet: { path: /readyz, port: 8080 }
            periodSeconds: 1
`
}

export interface ServiceOptions {
  name: string
  /** Label `app` of the Pods; absent: no selector. */
  app?: string
  /** Further lines of the spec, as YAML flow values by field. */
  spec?: Readonly<Record<string, string>>
}

/** A Service of class roadstead.dev/local with HTTP on 80 and UDP on 9001. */
export function loadBalancerService({ name, app, spec = {} }: ServiceOptions): string {
  return service({
    name,
    ...(app === undefined ? {} : { app }),
    spec: { type: 'LoadBalancer', loadBalancerClass: 'roadstead.dev/local', ...spec },
  })
}

export function service({ name, app, spec = {} }: ServiceOptions): string {
  const fields = {
    ...(app === undefined ? {} : { selector: `{ app: ${app} }` }),
    ports: '[{ name: http, port: 80, targetPort: 8080 }, { name: udp, port: 9001, protocol: UDP, targetPort: 9001 }]',
    ...spec,
  }
  const lines = Object.entries(fields).map(([field, value]) => `  ${field}: ${value}`)
  return `apiVersion: v1\nkind: Service\nmetadata: { name: ${name} }\nspec:\n${lines.join('\n')}\n`
}

/** A Pod to run commands in; it answers /env as every echo Pod does. */
export function toolPod(name: string, node: string): string {
  return `
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: ${name} } }
spec:
  nodeName: ${node}
  containers: [{ name: tool, image: echo }]
`
}
