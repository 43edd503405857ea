/**
 * A Debian kernel for the virtual machine: its package is fetched with apt-get and unpacked below .cache, never installed. Only the modules
 * that the machine needs are taken (network, the file systems of the share), and busybox, which loads them.
 */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { projectRoot } from '../../scripts/source-files.ts'

export interface Kernel {
  /** Compressed image. */
  image: string
  /** As `uname -r` gives it. */
  release: string
  /** Holds `<release>/modules.dep`. */
  modules: string
  busybox: string
}

const run = promisify(execFile)
/** The newest kernel of the distribution is what its meta package depends on. */
const metaPackage = 'linux-image-amd64'
const kept = [
  './boot/vmlinuz-*',
  './lib/modules/*/modules.*',
  ...[
    'net',
    'lib',
    'crypto',
    'arch/x86/crypto',
    'fs/9p',
    'fs/netfs',
    'fs/fscache',
    'fs/overlayfs',
    'drivers/virtio',
  ].map((folder) => `./lib/modules/*/kernel/${folder}/*`),
  ...['dummy', 'veth'].map((name) => `./lib/modules/*/kernel/drivers/net/${name}.ko*`),
]

/** Fetches it the first time (some 70 MB), finds it afterwards. */
export async function fetchKernel(): Promise<Kernel> {
  const cache = join(projectRoot, '.cache/vm')
  mkdirSync(cache, { recursive: true })
  const folder = join(cache, 'kernel')
  if (!existsSync(folder)) {
    const building = mkdtempSync(join(cache, 'kernel-'))
    await unpack(building)
    try {
      renameSync(building, folder)
    } catch (error) {
      // Another process was faster.
      if (!existsSync(folder)) throw error
      rmSync(building, { recursive: true })
    }
  }
  return kernelIn(folder)
}

async function unpack(folder: string): Promise<void> {
  const { stdout } = await withLists(() => run('apt-cache', ['depends', metaPackage]))
  const [, name] = /Depends: (linux-image-\S+)/.exec(stdout) ?? []
  if (name === undefined) throw new Error(`${metaPackage} depends on no kernel`)
  await withLists(() =>
    run('apt-get', ['download', '-qq', '-o', 'APT::Sandbox::User=root', name, 'busybox-static'], { cwd: folder }),
  )
  for (const file of readdirSync(folder).filter((entry) => entry.endsWith('.deb'))) {
    const wanted = basename(file).startsWith('linux-image') ? kept : ['./bin/busybox']
    const patterns = wanted.map((pattern) => `'${pattern}'`).join(' ')
    // A pattern that fits nothing (a module that is built in) is no mistake here: kernelIn looks for what is needed.
    await run(
      'sh',
      ['-c', `dpkg-deb --fsys-tarfile '${file}' | tar -x --wildcards ${patterns} 2>/dev/null || true; rm '${file}'`],
      {
        cwd: folder,
      },
    )
  }
  const { release, busybox } = kernelIn(folder)
  await run(busybox, ['depmod', '-b', folder, release])
}

/** A machine that has never asked for packages has no lists of them. */
async function withLists<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch {
    await run('apt-get', ['update', '-qq'])
    return work()
  }
}

function kernelIn(folder: string): Kernel {
  const modules = join(folder, 'lib/modules')
  const [release = ''] = readdirSync(modules)
  const kernel = {
    image: join(folder, `boot/vmlinuz-${release}`),
    release,
    modules,
    busybox: join(folder, 'bin/busybox'),
  }
  for (const file of [kernel.image, kernel.busybox])
    if (!existsSync(file)) throw new Error(`the kernel package has no ${file}`)
  return kernel
}

/** Files of these modules and of all they depend on, in the order they have to be loaded. Built-in ones are left out. */
export function moduleFiles({ modules, release }: Kernel, names: readonly string[]): string[] {
  const folder = join(modules, release)
  const needs = new Map<string, string[]>()
  for (const line of readFileSync(join(folder, 'modules.dep'), 'utf8').split('\n')) {
    const [file = '', rest = ''] = line.split(':')
    needs.set(file, rest.trim() === '' ? [] : rest.trim().split(' '))
  }
  const ordered = new Set<string>()
  const take = (file: string) => {
    for (const needed of needs.get(file) ?? []) take(needed)
    ordered.add(file)
  }
  for (const name of names) {
    const file = [...needs.keys()].find((candidate) => basename(candidate) === `${name}.ko`)
    if (file !== undefined) take(file)
  }
  return [...ordered].map((file) => join(folder, file))
}
