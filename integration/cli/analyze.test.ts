/** `roadstead analyze` as a process: files and a cluster, table and JSON, exit codes. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { services } from '../../kube/resources.ts'
import { inProcessClient } from '../../sandbox/apiserver/in-process-client.ts'
import { writeKubeconfig } from '../../sandbox/apiserver/kubeconfig.ts'
import { startApiServer } from '../../sandbox/apiserver/server.ts'
import { projectRoot } from '../../scripts/source-files.ts'
import { webService } from '../operator/world.ts'

const prefix = 'service.beta.kubernetes.io/aws-load-balancer-'
const manifest = (annotations: string) => `apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: shop
  annotations: {${annotations}}
spec:
  type: LoadBalancer
  loadBalancerClass: service.k8s.aws/nlb
  ports: [{port: 80}]
`

let folder = ''
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'roadstead-analyze-'))
})
after(() => rm(folder, { recursive: true }))

function analyze(...argv: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const env = { PATH: process.env['PATH'] ?? '', HOME: folder }
    execFile(process.execPath, [join(projectRoot, 'cli/main.ts'), 'analyze', ...argv], { env }, (error, out, err) =>
      resolve({ code: error === null ? 0 : Number(error.code), out, err }),
    )
  })
}

async function file(name: string, text: string): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, text)
  return path
}

describe('roadstead analyze', () => {
  test('prints what each annotation becomes, and counts', async () => {
    const path = await file('web.yaml', manifest(`${prefix}scheme: internet-facing, ${prefix}nlb-target-type: ip`))
    const { code, out } = await analyze('-f', path)
    assert.equal(code, 0)
    assert.ok(out.startsWith(`shop/web (${path}:1)\n`))
    assert.match(out, /RS1001 .*scheme: internet-facing\n +-> spec\.loadBalancerClass: roadstead\.dev\/public\n/)
    assert.match(out, /warning +RS1003 .*nlb-target-type: ip\n +no equivalent: Pods are not targets/)
    assert.match(out, /\n1 Service of type LoadBalancer: 0 errors, 1 warning, 2 info\n$/)
  })

  test('JSON has a version, counts and findings', async () => {
    const path = await file('json.yaml', manifest(`${prefix}subnets: 'subnet-1, subnet-2'`))
    const result = JSON.parse((await analyze('-f', path, '-o', 'json')).out) as Record<string, unknown>
    assert.deepEqual(Object.keys(result), ['version', 'services', 'counts', 'findings'])
    assert.deepEqual((result['findings'] as unknown[])[1], {
      level: 'info',
      code: 'RS1001',
      service: { namespace: 'shop', name: 'web', file: path, line: 1 },
      found: `${prefix}subnets: subnet-1, subnet-2`,
      message: '',
      equivalent: { annotations: { 'roadstead.dev/subnets': 'subnet-1,subnet-2' } },
      origin: 'aws-load-balancer-controller and the AWS cloud provider',
    })
  })

  test('exit code 1 from the threshold on; what is suppressed does not count', async () => {
    const path = await file('warn.yaml', manifest(`${prefix}nlb-target-type: ip`))
    assert.equal((await analyze('-f', path)).code, 0)
    assert.equal((await analyze('-f', path, '--failure-threshold', 'warning')).code, 1)
    assert.equal((await analyze('-f', path, '--failure-threshold', 'warning', '--suppress', 'RS1003')).code, 0)
    const wrong = await file('wrong.yaml', manifest('roadstead.dev/cros-zone: "true"'))
    assert.equal((await analyze('-f', wrong)).code, 1)
  })

  test('exit code 2 and one line for what cannot be read', async () => {
    const broken = await file('broken.yaml', 'a: [\n')
    for (const argv of [
      ['-f', broken],
      ['-f', join(folder, 'absent.yaml')],
      ['-f', broken, '-A'],
      ['-o', 'xml'],
      ['--suppress', 'RS9'],
      ['-A', '--kubeconfig', join(folder, 'absent')],
    ]) {
      const { code, out, err } = await analyze(...argv)
      assert.equal(code, 2, argv.join(' '))
      assert.equal(out, '')
      assert.match(err, /^roadstead analyze: [^\n]+\n$/)
    }
  })

  test('reads a cluster: all of it, or one namespace', async () => {
    const server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
    try {
      const kubeconfig = join(folder, 'kubeconfig')
      await writeKubeconfig(kubeconfig, server.url, 'test')
      const client = inProcessClient(server.api, 'test')
      const old = { loadBalancerClass: 'service.k8s.aws/nlb' }
      await client.create(services, webService('web', old, { [`${prefix}ssl-ports`]: '*' }))
      await client.create(services, { ...webService('dns', old), metadata: { name: 'dns', namespace: 'kube-system' } })
      const all = await analyze('-A', '--kubeconfig', kubeconfig)
      assert.equal(all.code, 0, all.err)
      assert.match(all.out, /^default\/web\n/)
      assert.match(all.out, /-> roadstead\.dev\/tls-ports: all\n/)
      assert.match(all.out, /2 Services of type LoadBalancer/)
      const one = await analyze('-n', 'kube-system', '--kubeconfig', kubeconfig)
      assert.match(one.out, /^kube-system\/dns\n[^]*1 Service of type LoadBalancer/)
    } finally {
      await server.close()
    }
  })
})
