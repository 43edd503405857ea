/** What people do with kubectl, done to the sandbox API server with the real program. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { requires } from '../../scripts/requires.ts'
import { type ApiServer, startApiServer } from '../../sandbox/apiserver/server.ts'
import { type Kubectl, kubectlFor } from './kubectl-tool.ts'

const skip = requires('kubectl')

let server: ApiServer
let kubectl: Kubectl

async function done(args: string, input?: string | object): Promise<string> {
  const { code, out, err } = await kubectl(args, input)
  assert.equal(code, 0, `kubectl ${args}: ${err}`)
  return out
}

function service(port: number, more: Record<string, unknown> = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web' },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port }], ...more },
  }
}

const widgets = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    names: { plural: 'widgets', kind: 'Widget', shortNames: ['wd'] },
    scope: 'Namespaced',
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {} },
        additionalPrinterColumns: [{ name: 'Size', type: 'integer', jsonPath: '.spec.size' }],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            properties: { spec: { type: 'object', properties: { size: { type: 'integer', maximum: 5 } } } },
          },
        },
      },
    ],
  },
}

describe('kubectl', { skip, concurrency: false }, () => {
  before(async () => {
    server = await startApiServer({ listen: [{ host: '127.0.0.1', port: 0 }] })
    kubectl = kubectlFor(server.url)
  })
  after(() => server.close())

  test('apply creates, leaves alone and changes', async () => {
    assert.match(await done('apply -f -', service(80)), /service\/web created/)
    assert.match(await done('apply -f -', service(80)), /service\/web unchanged/)
    assert.match(await done('apply -f -', service(81)), /service\/web configured/)
    assert.equal(await done('get svc web -o jsonpath={.spec.ports[*].port}'), '81')
  })

  test('apply refuses unknown fields before anything is written', async () => {
    const { code, err } = await kubectl('apply -f -', service(82, { prots: [] }))
    assert.equal(code, 1)
    assert.match(err, /strict decoding error: unknown field "spec\.prots"/)
  })

  test('get shows the columns people know', async () => {
    assert.match(await done('get svc'), /^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE\nweb +ClusterIP +10\./)
    assert.match(await done('get ns'), /^NAME +STATUS +AGE\ndefault +Active/)
    assert.match(await done('get svc -o wide'), /SELECTOR\n.*app=web/)
  })

  test('diff shows what would change', async () => {
    const { code, out } = await kubectl('diff -f -', service(90))
    assert.equal(code, 1)
    assert.match(out, /^-.*port: 81$/m)
    assert.match(out, /^\+.*port: 90$/m)
  })

  test('patch, label and annotate change one thing', async () => {
    await done(`patch svc web --type=strategic -p '{"spec":{"ports":[{"port":443,"name":"tls"}]}}'`)
    assert.equal(await done('get svc web -o jsonpath={.spec.ports[*].port}'), '443 81')
    await done(`patch svc web --type=json -p '[{"op":"remove","path":"/spec/ports/0"}]'`)
    await done('label svc web tier=front')
    assert.match(await done('get svc -l tier=front'), /web/)
    await done('annotate svc web note=hello')
    assert.equal(await done('get svc web -o jsonpath={.metadata.annotations.note}'), 'hello')
  })

  test('replace with a stale version is refused', async () => {
    const stale = JSON.parse(await done('get svc web -o json')) as object
    await done('annotate svc web note=changed --overwrite')
    const { code, err } = await kubectl('replace -f -', stale)
    assert.equal(code, 1)
    assert.match(err, /the object has been modified/)
  })

  test('describe works without events', async () => {
    assert.match(await done('describe svc web'), /Name: +web\n[^]*Events: +<none>/)
  })

  test('server-side apply owns fields and reports conflicts', async () => {
    const map = (a: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'owned' }, data: { a } })
    await done('apply --server-side --field-manager=one -f -', map('1'))
    const { code, err } = await kubectl('apply --server-side --field-manager=two -f -', map('2'))
    assert.equal(code, 1)
    assert.match(err, /Apply failed with 1 conflict: conflict with "one": \.data\.a/)
    await done('apply --server-side --field-manager=two --force-conflicts -f -', map('2'))
    assert.equal(await done('get cm owned -o jsonpath={.data.a}'), '2')
  })

  test('typed commands work, which send protobuf', async () => {
    await done('create namespace team')
    await done('create configmap settings --from-literal=a=b -n team')
    await done('create deployment app --image=echo --replicas=2')
    await done('expose deployment app --port=80 --type=LoadBalancer')
    assert.match(await done('get svc app'), /LoadBalancer +\S+ +<pending> +80:3\d{4}\/TCP/)
    await done('scale deployment app --replicas=5')
    assert.match(await done('get deploy app'), /0\/5/)
    assert.match(await done('auth can-i get pods'), /^yes/)
  })

  test('custom resources come with their definition and go with it', async () => {
    await done('apply -f -', widgets)
    await done('wait --for=condition=Established crd/widgets.example.com --timeout=10s')
    const widget = (size: number) => ({
      apiVersion: 'example.com/v1',
      kind: 'Widget',
      metadata: { name: 'w' },
      spec: { size },
    })
    await done('apply -f -', widget(3))
    assert.match(await done('get wd'), /^NAME +SIZE\nw +3/)
    const { err } = await kubectl('apply -f -', widget(9))
    assert.match(err, /spec\.size in body should be less than or equal to 5/)
    assert.match(await done('explain widget.spec'), /size\t<integer>/)
    await done('delete crd widgets.example.com --timeout=10s')
    const gone = await kubectl('get widgets')
    assert.match(gone.err, /the server doesn't have a resource type "widgets"/)
  })

  test('wait and get -w follow changes', async () => {
    const waiting = kubectl('wait svc/web --for=jsonpath={.metadata.labels.done}=yes --timeout=20s')
    await new Promise((resolve) => setTimeout(resolve, 300))
    await done('label svc web done=yes')
    assert.equal((await waiting).code, 0)
  })

  test('delete waits until finalizers are gone', async () => {
    await done('create configmap held')
    await done(`patch cm held --type=merge -p '{"metadata":{"finalizers":["example.com/hold"]}}'`)
    const deleting = kubectl('delete cm held --timeout=20s')
    await new Promise((resolve) => setTimeout(resolve, 300))
    await done(`patch cm held --type=merge -p '{"metadata":{"finalizers":null}}'`)
    assert.equal((await deleting).code, 0)
  })

  test('api-resources and version answer', async () => {
    assert.match(await done('api-resources'), /services +svc +v1 +true +Service/)
    assert.match(await done('version -o json'), /v1\.36\.\d+\+roadstead/)
  })
})
