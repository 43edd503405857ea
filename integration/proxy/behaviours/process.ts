/** How the proxy is told what to do, and how it tells the kernel. */
import { type Behaviour, real, unit } from './behaviour.ts'

const policy = real('policy')
const restart = real('restart')
const process = real('process')
const ipvs = real('ipvs')

export const processBehaviours: readonly Behaviour[] = [
  {
    id: 'configuration',
    point: 5,
    text: "kube-proxy's flags and KubeProxyConfiguration; what has no meaning here is named",
    shown: [
      ...process('a configuration file takes the place of flags, and what does not count is named'),
      ...unit('config/file')(
        "kubeadm's works as it is, without a word",
        'every field that has a meaning is read',
        'unknown fields and those without a meaning are named',
      ),
      ...unit('config/flags')("kube-proxy's flags without a meaning here are taken, and named"),
    ],
    sameCode: true,
  },
  {
    id: 'configuration-changes',
    point: 5,
    text: 'A changed configuration file is noticed; one that would not start changes nothing',
    shown: [
      ...process('another content of the file ends the process, one that would not start does not'),
      ...unit('config/follow-file')('a content that would not start is said once and changes nothing'),
    ],
    sameCode: true,
  },
  {
    id: 'init-only',
    point: 5,
    text: '--init-only sets the kernel and ends',
    shown: process('--init-only sets the kernel and ends; --cleanup removes the rules'),
    sameCode: true,
  },
  {
    id: 'metrics',
    point: 5,
    text: "Metrics with kube-proxy's names, labels and meaning; /proxyMode",
    shown: [
      ...unit('metrics')('kubeproxy_*{*}', 'failures are counted under the name of the mode'),
      ...unit('programming')('runs from the trigger to the write, by family'),
      ...restart('metrics and mode are served on the loopback address'),
    ],
    sameCode: true,
  },
  {
    id: 'policy-flip',
    point: 6,
    text: 'With our operator, packets follow a policy when the load balancer does, in both directions, also over a restart',
    shown: policy(
      'Cluster to Local: the health check answers at once, packets go everywhere until the announcement',
      'Local to Cluster: packets go everywhere at once, the old health check answers until the announcement',
      'a proxy that restarts in the middle of either change goes on with it',
    ),
  },
  {
    id: 'policy-grace',
    point: 6,
    text: 'Without an announcement the grace time ends the wait; for Services of others the spec counts at once',
    shown: policy(
      'without the announcement the grace time ends both waits',
      'without an announcer both changes take effect at once',
    ),
  },
  {
    id: 'kube-proxy-rules',
    point: 7,
    text: 'Rules that kube-proxy has left in the kernel are told at start, and left alone',
    shown: [
      ...real('kube-proxy-rules')(
        'is not spoken of where there is nothing but chains of the kubelet',
        '*: is named once and stays',
        'everything at once is one line, in mode iptables too',
      ),
      ...unit('kube-proxy-rules')('are named in one line that says what to do'),
    ],
    sameCode: true,
  },
  {
    id: 'mode-change',
    point: 7,
    text: 'A change of the mode removes the rules of the other one, without a failed request',
    shown: real('mode-switch')('from * to *: 0 requests fail, and the rules of * are gone'),
  },
  {
    id: 'cleanup',
    point: 7,
    text: '--cleanup removes the rules of every mode, and nothing else',
    shown: [
      ...real('mode-switch')('--cleanup removes the rules of every mode, and may be repeated').map((shown) => ({
        ...shown,
        modes: ['nftables', 'iptables'] as const,
      })),
      ...ipvs('--cleanup removes what is ours and nothing else'),
    ],
  },
  {
    id: 'mode-refused',
    point: 7,
    text: 'A mode that the machine cannot do ends the start with one line that says what to do',
    shown: real('mode-switch')('*: the proxy ends at once with one line that says what to do'),
  },
  {
    id: 'writers',
    point: 8,
    text: 'Netlink and nft text leave the same rules and take over from one another; where netlink does not work, text is used and says so',
    shown: [
      ...real('writers')('list the same after any sequence of changes', 'what one has written the other takes over'),
      ...unit('nftables/choose-writer')(
        'is nft text without koffi, and one line says so',
        'is nft text where the kernel permits no netlink, and the socket is closed',
      ),
    ],
    lacking: { iptables: 'written by iptables-restore alone', ipvs: 'written by ipvsadm alone' },
  },
  {
    id: 'refused-batch',
    point: 8,
    text: 'A batch that the kernel refuses changes nothing: a full map, too many notifications, an end in the middle',
    shown: real('writers')(
      'a refused change names the element and the error, and nothing of it happens',
      'a map that is full is an error with its name',
      'more notifications than fit are noticed as a change',
      'killed in the middle of writing, it leaves what was or what should be, nothing between',
    ),
    lacking: { iptables: 'there are no maps of a limited size', ipvs: 'there are no maps of a limited size' },
  },
  {
    id: 'readable',
    point: 8,
    text: 'The rules load, list and load again from their own listing (nft checks them first); iptables reads back what was written',
    shown: [
      ...real('ruleset')('*: passes the check, loads, lists, and loads again from its own listing'),
      ...real('iptables')('*, *: passes the test, is written, and read back by another process'),
    ],
    lacking: { ipvs: 'the kernel lists servers, there is no text to load' },
  },
]
