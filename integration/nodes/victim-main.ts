/**
 * A sandbox that is meant to be killed: claims `argv[2]`, builds its network and a Pod with a process, says how far it is, then stays.
 * `argv[3]` is its run folder.
 */
import { spawn } from 'node:child_process'
import { systemClock as clock } from '../../kube/clock.ts'
import { claimInstance, recordProcess } from '../../sandbox/nodes/instance.ts'
import { spawnIn } from '../../sandbox/nodes/netns.ts'
import { createNetwork } from '../../sandbox/nodes/network.ts'

const [, , name = '', folder = ''] = process.argv
const say = (line: string) => process.stdout.write(`${line}\n`)

const instance = await claimInstance(name, { folder, pid: process.pid, clock })
say('claimed')
const outside = spawn('sleep', ['600'], { stdio: 'ignore', detached: true })
if (outside.pid !== undefined) recordProcess(instance, 'outside', outside.pid)
say(`outside ${outside.pid}`)
const network = await createNetwork({ instance, nodes: 2, families: ['IPv4', 'IPv6'], clock })
const pod = await network.addPod('node-1', '0000000001')
const inside = spawnIn(pod.namespace, ['sh', '-c', 'setsid sleep 600 & exec sleep 600'], { stdio: 'ignore' })
say(`up ${inside.pid}`)
setInterval(() => {}, 60_000)
