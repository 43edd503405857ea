/**
 * Real connections for the tour, made by the probe tool in a namespace of the sandbox (the client outside unless said otherwise).
 */
export interface Target {
  protocol: 'http' | 'tcp' | 'udp'
  host: string
  port: number
  path?: string
}

/** Counts over all answers; keys are names of Pods and nodes, and addresses that the Pods saw. */
export interface Tally {
  sent: number
  answered: number
  failed: number
  /** Reasons of failures with their counts. */
  failures: Readonly<Record<string, number>>
  /** When the first of them were sent, milliseconds after the start. */
  firstFailuresMs: readonly number[]
  pods: Readonly<Record<string, number>>
  nodes: Readonly<Record<string, number>>
  clients: Readonly<Record<string, number>>
  p50Ms: number
  p99Ms: number
}

export interface Load {
  /** Ends the load and waits for requests under way. */
  stop(): Promise<Tally>
}

export interface Prober {
  /** `count` connections, each a new one, a few at a time. */
  connect(target: Target, count: number, from?: string): Promise<Tally>
  /** New connections at a steady rate until stopped. Resolves when it runs. */
  load(target: Target, perSecond: number, from?: string): Promise<Load>
  /** Addresses that a name has for a process in the Pod (its resolv.conf, search path included); none when it has none. */
  resolve(name: string, from: string): Promise<string[]>
  /** Environment of the echo process in the Pod with this address. */
  environment(podAddress: string): Promise<Readonly<Record<string, string>>>
}
