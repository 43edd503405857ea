/** The types of a connection to an API server: where it is, how TLS is checked, what each request carries to prove who we are. */
/** PEM texts and checks of a TLS connection. */
export interface TlsMaterial {
  ca?: string
  cert?: string
  key?: string
  /** Name to check the server's certificate against, when it differs from the host. */
  servername?: string
  rejectUnauthorized?: boolean
}

/** What to add to one request. */
export interface Credentials {
  headers: Readonly<Record<string, string | string[]>>
  /** Client certificate, when it can change while we run. */
  tls?: Pick<TlsMaterial, 'cert' | 'key'>
}

export interface Connection {
  readonly server: URL
  /** The server listens here; `server` then only gives the Host header and the path prefix. */
  readonly socketPath?: string
  readonly tls?: TlsMaterial
  /** HTTP proxy to go through (kubeconfig `proxy-url`, or HTTPS_PROXY with NO_PROXY). */
  readonly proxyEnv?: Readonly<Record<string, string>>
  /** The namespace of the context; `default` when it names none. */
  readonly namespace: string
  /** Asked before every request; `refresh` is true after a 401: cached tokens are thrown away first. */
  credentials(refresh: boolean): Promise<Credentials>
}

export interface ConnectionSource {
  /** `--kubeconfig`; the environment's KUBECONFIG, the Pod's service account and `~/.kube/config` come after it. */
  kubeconfig?: string | undefined
  /** `--context`; otherwise the file's current-context. */
  context?: string | undefined
  env: Readonly<Record<string, string | undefined>>
}
