/** The images that sandbox Pods can run: programs of this project, by name. Nothing is pulled from anywhere. */
import { join } from 'node:path'
import type { EnvVar } from '../../../kube/objects.ts'

export interface Image {
  /** Command line, where the image's entrypoint would be. */
  readonly entrypoint: readonly string[]
  /** Variables of the image; the container's own win. */
  readonly env: readonly EnvVar[]
}

export interface ImageOptions {
  /** The Node executable. */
  node: string
  /** Kubeconfig that works inside the cluster's network. */
  kubeconfigInPods: string
}

export type Images = ReadonlyMap<string, Image>

const registry = 'roadstead.dev/'

/** What the image `echo` answers with, so that no manifest has to spell it out. */
const identity: readonly EnvVar[] = [
  { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  { name: 'POD_NAMESPACE', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
  { name: 'POD_IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
  { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
]

export function builtinImages({ node, kubeconfigInPods }: ImageOptions): Images {
  const script = (...path: string[]) => [node, join(import.meta.dirname, '..', ...path)]
  return new Map<string, Image>([
    ['echo', { entrypoint: script('images', 'echo-main.ts'), env: identity }],
    ['client', { entrypoint: script('images', 'client-main.ts'), env: identity }],
    ['dns', { entrypoint: script('..', 'dns', 'dns-main.ts'), env: [{ name: 'KUBECONFIG', value: kubeconfigInPods }] }],
  ])
}

/** `echo`, `echo:v2`, `roadstead.dev/echo:latest`, ...; the tag is not looked at. */
export function findImage(images: Images, reference: string): Image | undefined {
  const name = reference.replace(/@sha256:[0-9a-f]+$/, '').replace(/:[\w.-]+$/, '')
  return images.get(name.startsWith(registry) ? name.slice(registry.length) : name)
}

/** What `kubectl describe` tells about an image that is not one of ours. */
export function unknownImage(images: Images, reference: string): string {
  const names = [...images.keys()].map((name) => `${registry}${name}`).join(', ')
  return `Failed to pull image ${JSON.stringify(reference)}: the sandbox pulls nothing, it has ${names}`
}
