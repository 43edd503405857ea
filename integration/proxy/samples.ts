/** Skeletons and elements that the tests of writers and rulesets write: every map, both families. */
import type { ElementId } from '../../proxy/rules/elements.ts'
import type { SkeletonOptions } from '../../proxy/nftables/skeleton.ts'

export const everything: SkeletonOptions = {
  local: { ip: { by: 'addresses' }, ip6: { by: 'addresses' } },
  masqueradeAll: false,
  masqueradeBit: 14,
}
export const variants: Record<string, SkeletonOptions> = {
  'both families': everything,
  'nobody local': { ...everything, local: { ip: { by: 'nothing' }, ip6: { by: 'nothing' } } },
  'local by interface': {
    ...everything,
    local: { ip: { by: 'interface', name: 'cbr0' }, ip6: { by: 'interface-prefix', prefix: 'cali' } },
  },
  'masquerade all': { ...everything, masqueradeAll: true, masqueradeBit: 31 },
}

/** An element of every map, in both families. */
export const sample = new Map<ElementId, string>(
  (['ip', 'ip6'] as const).flatMap((family): [ElementId, string][] => {
    const [address, pod, client] =
      family === 'ip' ? ['10.96.0.1', '10.244.1.2', '192.0.2.0/24'] : ['fd00:96::1', 'fd00:244::2', '2001:db8::/32']
    const front = `${address} . tcp . 80`
    return [
      [`${family} pods ${family === 'ip' ? '10.244.0.0/16' : 'fd00:244::/48'}`, ''],
      [`${family} pods ${family === 'ip' ? '10.245.0.0/16' : 'fd00:245::'}`, ''],
      [`${family} service-cidrs ${family === 'ip' ? '10.96.0.0/12' : 'fd00:96::/112'}`, ''],
      [`${family} cluster-ips ${address}`, ''],
      [`${family} frontends ${front}`, ''],
      [`${family} no-ep ${address} . udp . 54`, ''],
      [`${family} fw-vips ${front}`, ''],
      [`${family} fw-allow ${front} . ${client}`, ''],
      [`${family} fw-allow ${front} . ${pod}`, ''],
      [`${family} masq ${front}`, ''],
      [`${family} local-vips ${address} . udp . 53`, ''],
      [`${family} svc ${front}`, 'goto n2'],
      [`${family} svc ${address} . sctp . 81`, 'drop'],
      [`${family} svc ${address} . tcp . 82`, 'goto n1000'],
      [`${family} ep ${front} . 0`, `${pod} . 8080`],
      [`${family} ep ${front} . 1`, `${pod} . 8081`],
      [`${family} svc-local ${front}`, 'goto l1'],
      [`${family} ep-local ${front} . 0`, `${pod} . 8080`],
      [`${family} hairpin ${pod} . ${pod}`, ''],
      [`${family} session ${front}`, '1a2b:c'],
      [`${family} learn 1a2b:c`, 'goto t10800'],
      [`${family} health-ports 32000`, address ?? ''],
    ]
  }),
)

/** Two sets that have nothing in common, each large enough for a batch to take a while. */
export function floods(size = 5000): [Map<ElementId, string>, Map<ElementId, string>] {
  const flood = (network: string) =>
    new Map(
      Array.from({ length: size }, (_, index): [ElementId, string] => [
        `ip ep 10.96.${index >> 8}.${index & 255} . tcp . 80 . 0`,
        `${network}.${index >> 8}.${index & 255} . 8080`,
      ]),
    )
  return [flood('10.244'), flood('10.245')]
}
