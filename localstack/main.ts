/**
 * The test bench by hand. `node localstack/main.ts`: emulator, fault proxy and seeds, until Ctrl-C; prints what to export and how to steer.
 * `node localstack/main.ts probe [URL]`: the table of what an endpoint does as AWS does (default: the emulator that EMULATOR names).
 */
import { once } from 'node:events'
import { parseArgs } from 'node:util'
import { startEmulator } from './emulator.ts'
import { probe } from './probe.ts'
import { table } from './probe-table.ts'
import { startRig } from './rig.ts'

const usage = `node localstack/main.ts [--port=N] [--nodes=N]
node localstack/main.ts probe [URL]
`

const say = (line: string) => process.stdout.write(`${line}\n`)

process.exitCode = await main().catch((error: unknown) => {
  process.stderr.write(`localstack: ${error instanceof Error ? error.message : String(error)}\n`)
  return 1
})

async function main(): Promise<number> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { port: { type: 'string' }, nodes: { type: 'string' }, help: { type: 'boolean', short: 'h' } },
  })
  const [command = 'up', url] = positionals
  const [port, nodes] = [Number(values.port ?? 0), Number(values.nodes ?? 3)]
  const wrong = !['up', 'probe'].includes(command) || !Number.isInteger(port) || !Number.isInteger(nodes)
  if (values.help === true || wrong) {
    process.stdout.write(usage)
    return wrong ? 2 : 0
  }
  if (command === 'probe') await showProbe(url)
  else await up(port, nodes)
  return 0
}

async function showProbe(url: string | undefined): Promise<void> {
  const emulator = await startEmulator({ note: say, ...(url === undefined ? {} : { kind: url }) })
  try {
    say(table(await probe(emulator.url)).join('\n'))
  } finally {
    await emulator.close()
  }
}

async function up(port: number, nodes: number): Promise<void> {
  const rig = await startRig({ port, seed: { nodes }, note: say })
  const { proxy, seeded } = rig
  say(`# VPC ${seeded.vpcId}, node group ${seeded.nodeGroupId}, subnets ${seeded.subnetIds.join(' ')}`)
  for (const { providerId } of seeded.instances) say(`# node ${providerId}`)
  say(
    `export AWS_ENDPOINT_URL=${proxy.url} AWS_REGION=${seeded.region} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test`,
  )
  say(`# counts: curl ${proxy.url}/_proxy/counts    uncounted and without faults: ${proxy.quietUrl}    end: Ctrl-C`)
  await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  await rig.close()
}
