/** Makes the local cloud's control API slow, as a real cloud's is, so that a step can act in the middle of a provisioning. */
import { request } from 'node:http'

/** Every answer comes `lagMs` later from now on. `endpoint`: `unix:/path` of the control API. */
export function setCloudLag(endpoint: string, lagMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = request(
      { socketPath: endpoint.slice('unix:'.length), method: 'PATCH', path: '/v1/faults', agent: false },
      (response) => {
        response.resume()
        response.on('end', () =>
          response.statusCode === 200
            ? resolve()
            : reject(new Error(`the local cloud answered ${response.statusCode}`)),
        )
      },
    )
    call.on('error', reject)
    call.end(JSON.stringify({ lagMs }))
  })
}
