/** `roadstead analyze`: reads Services from files or from a cluster, changes nothing, and says what they become with Roadstead. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { loadConnection } from '../kube/connection.ts'
import { parseFlags, UsageError } from '../kube/flags.ts'
import type { CommandIo } from '../kube/flags.ts'
import { createHttpClient } from '../kube/http-client.ts'
import { listAll } from '../kube/list-all.ts'
import { services as servicesType } from '../kube/resources.ts'
import { codes, levels, reaches } from './analysis/findings.ts'
import type { Finding, Level } from './analysis/findings.ts'
import { servicesIn } from './analysis/manifests.ts'
import type { FoundService } from './analysis/manifests.ts'
import { codesTable, jsonOf, tableOf } from './analysis/report.ts'
import { analyzeService } from './analysis/service.ts'

const help = `Usage: roadstead analyze [-f FILE]... [-A | -n NAMESPACE] [flags]

Says for Services of type LoadBalancer which controller has them, what each annotation of aws-load-balancer-controller and of the AWS cloud
provider is called here, and what is wrong with annotations of ours. Reads only; without -f it reads the cluster.

  -f, --file FILE                   a manifest, or a directory of manifests; - for standard input; may be repeated
  -A, --all-namespaces              of the whole cluster
  -n, --namespace NAME              of one namespace (default: the one of the context)
      --kubeconfig FILE, --context NAME  connection (default: KUBECONFIG, in-cluster, ~/.kube/config)
  -o, --output FORMAT               table (default) or json
      --failure-threshold LEVEL     error (default), warning or info: from which level on the exit code is 1
      --suppress CODE               leave out findings with this code; may be repeated
      --codes                       print the codes and end

Exit codes: 0 nothing found at the threshold, 1 something was, 2 wrong flags, files or connection.
`

const options = {
  help: { type: 'boolean', short: 'h', default: false },
  file: { type: 'string', short: 'f', multiple: true },
  'all-namespaces': { type: 'boolean', short: 'A', default: false },
  namespace: { type: 'string', short: 'n' },
  kubeconfig: { type: 'string' },
  context: { type: 'string' },
  output: { type: 'string', short: 'o', default: 'table' },
  'failure-threshold': { type: 'string', default: 'error' },
  suppress: { type: 'string', multiple: true },
  codes: { type: 'boolean', default: false },
} as const

interface Request {
  files: string[]
  allNamespaces: boolean
  namespace: string | undefined
  kubeconfig: string | undefined
  context: string | undefined
}

/** Throws UsageError, also for files and clusters that cannot be read: nothing was analysed then. */
export async function run(argv: readonly string[], io: CommandIo): Promise<number> {
  const { values } = parseFlags(argv, options)
  if (values['help'] === true || values['codes'] === true) {
    io.stdout(values['help'] === true ? help : codesTable())
    return 0
  }
  const text = (name: keyof typeof options) => (values[name] === undefined ? undefined : String(values[name]))
  const list = (name: 'file' | 'suppress') => [values[name] ?? []].flat().map(String)
  const output = text('output') ?? 'table'
  if (output !== 'table' && output !== 'json') throw new UsageError(`--output ${output} must be table or json`)
  const threshold = levelNamed(text('failure-threshold') ?? '')
  const unknown = list('suppress').find((code) => !Object.hasOwn(codes, code))
  if (unknown !== undefined) throw new UsageError(`--suppress ${unknown}: there is no such code; see --codes`)
  const found = await servicesFor(
    {
      files: list('file'),
      allNamespaces: values['all-namespaces'] === true,
      namespace: text('namespace'),
      kubeconfig: text('kubeconfig'),
      context: text('context'),
    },
    io,
  )
  const balanced = found.filter(({ service }) => service.spec.type === 'LoadBalancer')
  const otherParameters = await parametersOfOtherClouds()
  const findings = balanced
    .flatMap(({ service, at }): Finding[] => analyzeService(service, at, { otherParameters }))
    .filter(({ code }) => !list('suppress').includes(code))
  io.stdout(output === 'json' ? jsonOf(findings, balanced.length) : tableOf(findings, balanced.length))
  return reaches(findings, threshold) ? 1 : 0
}

function levelNamed(text: string): Level {
  const level = levels.find((one) => one === text)
  if (level === undefined) throw new UsageError(`--failure-threshold ${text} must be ${levels.join(', ')}`)
  return level
}

async function servicesFor(request: Request, io: CommandIo): Promise<FoundService[]> {
  const { files, allNamespaces, namespace } = request
  if (allNamespaces && namespace !== undefined) throw new UsageError('give --all-namespaces or --namespace, not both')
  if (files.length === 0) return fromCluster(request, io)
  if (allNamespaces || namespace !== undefined) throw new UsageError('--file reads files: -A and -n go with a cluster')
  const texts = await Promise.all(files.map(readManifests))
  return texts.flat().flatMap(({ file, text }) => {
    try {
      return servicesIn(text, file)
    } catch (error) {
      throw new UsageError((error as Error).message, { cause: error })
    }
  })
}

async function readManifests(path: string): Promise<{ file: string; text: string }[]> {
  try {
    if (path === '-') return [{ file: 'stdin', text: await readFile('/dev/stdin', 'utf8') }]
    if (!(await stat(path)).isDirectory()) return [{ file: path, text: await readFile(path, 'utf8') }]
    const names = (await readdir(path)).filter((name) => /\.(ya?ml|json)$/.test(name)).sort()
    const inside = names.map((name) => join(path, name))
    return await Promise.all(inside.map(async (file) => ({ file, text: await readFile(file, 'utf8') })))
  } catch (error) {
    throw new UsageError(`--file ${path} cannot be read: ${(error as Error).message}`, { cause: error })
  }
}

async function fromCluster(request: Request, io: CommandIo): Promise<FoundService[]> {
  const { kubeconfig, context, allNamespaces } = request
  const connection = await loadConnection({
    ...(kubeconfig === undefined ? {} : { kubeconfig }),
    ...(context === undefined ? {} : { context }),
    env: io.env,
  })
  const client = createHttpClient(connection)
  const namespace = allNamespaces ? undefined : (request.namespace ?? connection.namespace)
  try {
    const { objects } = await listAll(client, servicesType, { namespace, signal: io.signal })
    return objects.map((service) => {
      const { namespace: space = '', name = '' } = service.metadata
      return { service, at: { namespace: space, name } }
    })
  } catch (error) {
    throw new UsageError(`the Services cannot be read: ${(error as Error).message}`, { cause: error })
  } finally {
    client.close()
  }
}

async function parametersOfOtherClouds(): Promise<string[]> {
  const [{ createLocalProvider }, { createHttpCloud }] = await Promise.all([
    import('../providers/local/provider.ts'),
    import('../providers/local/http.ts'),
  ])
  return Object.keys(createLocalProvider(createHttpCloud('unix:/nonexistent')).features.parameters)
}
