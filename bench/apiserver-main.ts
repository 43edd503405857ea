/** The server of the API server benchmark, in a process of its own: filled with objects, its URL on stdout, ends with its stdin. */
import { services } from '../kube/resources.ts'
import { inProcessClient } from '../sandbox/apiserver/in-process-client.ts'
import { startApiServer } from '../sandbox/apiserver/server.ts'

const count = Number(process.argv[2] ?? 0)
const server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
const client = inProcessClient(server.api)
for (let index = 0; index < count; index++) {
  await client.create(services, {
    kind: 'Service',
    apiVersion: 'v1',
    metadata: { namespace: 'default', name: `web-${index}`, labels: { app: `web-${index}` } },
    spec: { selector: { app: `web-${index}` }, ports: [{ name: 'http', port: 80 }] },
  })
}
process.stdout.write(`${server.url}\n`)
process.stdin.on('end', () => void server.close())
process.stdin.resume()
