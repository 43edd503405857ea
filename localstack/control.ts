/**
 * The proxy over HTTP, under /_proxy/: `GET counts`, `GET calls`, `POST reset`, `GET settings`, `POST settings` (a change),
 * `POST faults` (a fault), `DELETE faults`. `buckets` is a name here: `off`, `elbv2` or `strict`.
 */
import type { ServerResponse } from 'node:http'
import { elbv2Buckets, strictBuckets } from './buckets.ts'
import type { FaultProxy } from './fault-proxy.ts'
import type { Fault } from './faults.ts'
import type { SettingsChange } from './settings.ts'

export const controlPath = '/_proxy/'

const bucketTables = { off: [], elbv2: elbv2Buckets, strict: strictBuckets } as const

type WireSettings = Omit<SettingsChange, 'buckets'> & { buckets?: keyof typeof bucketTables }

export async function handleControl(
  proxy: FaultProxy,
  method: string,
  path: string,
  body: string,
  response: ServerResponse,
): Promise<void> {
  const what = `${method} ${path.slice(controlPath.length)}`
  const answer = (status: number, value: unknown) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(value)}\n`)
  try {
    switch (what) {
      case 'GET counts':
        answer(200, proxy.counts())
        break
      case 'GET calls':
        answer(200, proxy.calls())
        break
      case 'POST reset':
        proxy.reset()
        answer(200, proxy.counts())
        break
      case 'GET settings':
        answer(200, { ...proxy.settings(), buckets: proxy.settings().buckets.map(({ name }) => name) })
        break
      case 'POST settings':
        proxy.set(settingsChange(JSON.parse(body) as WireSettings))
        answer(200, { ...proxy.settings(), buckets: proxy.settings().buckets.map(({ name }) => name) })
        break
      case 'POST faults':
        proxy.faults.add(JSON.parse(body) as Fault)
        answer(201, {})
        break
      case 'DELETE faults':
        proxy.faults.clear()
        answer(200, {})
        break
      default:
        answer(404, { message: `no such control: ${what}` })
    }
  } catch (error) {
    answer(400, { message: String(error) })
  }
}

function settingsChange({ buckets, ...rest }: WireSettings): SettingsChange {
  if (buckets === undefined) return rest
  const table = bucketTables[buckets]
  if (table === undefined) throw new Error(`buckets: one of ${Object.keys(bucketTables).join(', ')}`)
  return { ...rest, buckets: table }
}
