/**
 * The cluster's DNS as objects in kube-system, named and labelled as kubeadm has them, so that what people know holds:
 * Service `kube-dns`, Deployment `coredns` (of the built-in image `dns`), label `k8s-app: kube-dns`.
 */
import type { Deployment, Service } from '../../kube/objects.ts'

export interface DnsManifestOptions {
  /** Cluster IP of the DNS Service. */
  address: string
  replicas?: number
  clusterDomain?: string
}

const labels = { 'k8s-app': 'kube-dns' }
const readyPort = 8181

export function dnsManifests(options: DnsManifestOptions): [Service, Deployment] {
  const { address, replicas = 2, clusterDomain = 'cluster.local' } = options
  const service: Service = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'kube-system', name: 'kube-dns', labels: { ...labels, 'kubernetes.io/name': 'CoreDNS' } },
    spec: {
      selector: labels,
      clusterIP: address,
      clusterIPs: [address],
      ports: [
        { name: 'dns', protocol: 'UDP', port: 53, targetPort: 53 },
        { name: 'dns-tcp', protocol: 'TCP', port: 53, targetPort: 53 },
      ],
    },
  }
  const deployment: Deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { namespace: 'kube-system', name: 'coredns', labels },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
      template: {
        metadata: { labels },
        spec: {
          terminationGracePeriodSeconds: 5,
          containers: [
            {
              name: 'coredns',
              image: 'dns',
              args: [
                '--listen=0.0.0.0:53',
                `--ready-listen=0.0.0.0:${readyPort}`,
                `--cluster-domain=${clusterDomain}`,
                // Every proxy learns within this that the Pod is going; until then questions still come.
                '--lameduck=1',
              ],
              ports: [
                { name: 'dns', protocol: 'UDP', containerPort: 53 },
                { name: 'dns-tcp', protocol: 'TCP', containerPort: 53 },
                { name: 'readiness-probe', protocol: 'TCP', containerPort: readyPort },
              ],
              readinessProbe: {
                httpGet: { path: '/ready', port: readyPort },
                periodSeconds: 1,
                timeoutSeconds: 1,
                failureThreshold: 3,
              },
            },
          ],
        },
      },
    },
  }
  return [service, deployment]
}
