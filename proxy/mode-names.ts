/** How Services are forwarded, by kube-proxy's names; what a mode does is in modes.ts. */
export const modeNames = ['nftables', 'iptables', 'ipvs'] as const

export type ModeName = (typeof modeNames)[number]
