/**
 * Writes two large sets of elements in turn, one batch each, until it is killed: `flood-main.ts`, in a namespace with our tables.
 * Says `writing` on stdout once the first is in the kernel.
 */
import { difference, type ElementSet } from '../../proxy/rules/elements.ts'
import { loadNetlink } from '../../proxy/netlink/socket.ts'
import { netlinkWriter } from '../../proxy/nftables/netlink-writer.ts'
import { nftProgram } from '../../proxy/nftables/nft.ts'
import { everything, floods } from './samples.ts'

const netlink = await loadNetlink()
const writer = netlinkWriter({ netlink, socket: netlink.open(), nft: nftProgram(), skeleton: everything })
const [first, second] = floods()
let present: ElementSet = (await writer.read()) ?? new Map()
for (let round = 0; ; round++) {
  const next = round % 2 === 0 ? first : second
  await writer.apply(difference(present, next))
  present = next
  if (round === 0) process.stdout.write('writing\n')
}
