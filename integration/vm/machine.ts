/**
 * A virtual machine with a kernel of its own, for tests of what this machine's kernel cannot do. It boots from memory, sees this machine's
 * files (9p, read only, under a layer in memory that takes its writes) and runs one command there.
 *
 * Where the processor virtualises, KVM is used. Elsewhere QEMU emulates, and then the machine's clock counts its instructions (-icount):
 * to the programs inside it is a processor of usual speed, however slow or busy the real one is, so time limits of tests keep their meaning.
 */
import { spawn } from 'node:child_process'
import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { projectRoot } from '../../scripts/source-files.ts'
import { type ArchiveEntry, cpio } from './cpio.ts'
import { fetchKernel, type Kernel, moduleFiles } from './kernel.ts'

export interface MachineRun {
  /** Run in the project's folder; the first word is looked up in PATH. */
  argv: readonly string[]
  env?: Readonly<Record<string, string>>
  /** Loaded before the command. */
  modules?: readonly string[]
  memoryMb?: number
  /** Folder on this machine that the command finds as /out and may write to. */
  results: string
  /** The machine is switched off after so long. */
  timeoutMs: number
}

export interface MachineEnd {
  /** Of the command; undefined when the machine ended before it. */
  code: number | undefined
  /** What the command printed, both streams. */
  output: string
  /** What the kernel and the start-up wrote. */
  console: string
}

const program = 'qemu-system-x86_64'
const shareModules = ['virtio_pci', '9pnet_virtio', '9p', 'overlay']
/**
 * What namespaces and nft need. Loaded beforehand because busybox's modprobe does not wait for one that another process is just loading: of
 * two programs that start at once the second would be told that the kernel cannot do it.
 */
const networkModules =
  'veth bridge ipv6 nfnetlink nf_tables nf_conntrack nf_conntrack_netlink nf_nat nft_chain_nat nft_ct nft_nat nft_masq nft_redir nft_reject ' +
  'nft_reject_ipv4 nft_reject_ipv6 nft_numgen nft_hash nft_limit nft_fib nft_fib_ipv4 nft_fib_ipv6 nft_log nft_compat'

export async function runInMachine(options: MachineRun): Promise<MachineEnd> {
  const kernel = await fetchKernel()
  const folder = mkdtempSync(join(tmpdir(), 'roadstead-vm-'))
  const out = options.results
  // Compiled code is kept from run to run: half of a start inside is compiling.
  const compiled = join(projectRoot, '.cache/vm/compiled')
  mkdirSync(compiled, { recursive: true })
  try {
    const initramfs = join(folder, 'initramfs')
    writeFileSync(initramfs, cpio(startUp(kernel, options)))
    const shares = { host: ['/', ',readonly=on'], out: [out, ''], compiled: [compiled, ''] }
    const argv = [
      ...acceleration(),
      ...words(`-m ${options.memoryMb ?? 3072} -display none -nodefaults -no-user-config -no-reboot`),
      ...words(`-serial file:${join(folder, 'console')} -kernel ${kernel.image} -initrd ${initramfs}`),
      '-append',
      'console=ttyS0 quiet panic=-1 mitigations=off nokaslr net.ifnames=0',
      ...Object.entries(shares).flatMap(([tag, [path, more]]) =>
        words(
          `-fsdev local,id=${tag},path=${path},security_model=none,multidevs=remap${more} -device virtio-9p-pci,fsdev=${tag},mount_tag=${tag}`,
        ),
      ),
    ]
    const complaint = await started(argv, options.timeoutMs)
    const text = (name: string) => (existsSync(name) ? readFileSync(name, 'utf8') : '')
    const code = text(join(out, 'code')).trim()
    return {
      code: code === '' ? undefined : Number(code),
      output: text(join(out, 'output')),
      console: `${complaint}${text(join(folder, 'console'))}`,
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** /dev/kvm alone says little: a machine that is virtual itself may have one that boots no usual kernel. */
function acceleration(): string[] {
  const modules = ['kvm_intel', 'kvm_amd'].some((name) => existsSync(`/sys/module/${name}`))
  const emulated = words('-accel tcg,thread=single,tb-size=1024 -icount shift=0 -cpu Nehalem -smp 1')
  if (!modules) return emulated
  try {
    accessSync('/dev/kvm', constants.R_OK | constants.W_OK)
    return words('-accel kvm -cpu host -smp 2')
  } catch {
    return emulated
  }
}

/** What goes into the first file system, and the script that leaves it for the real one. */
function startUp(kernel: Kernel, { argv, env = {}, modules = [] }: MachineRun): ArchiveEntry[] {
  const files = moduleFiles(kernel, shareModules)
  const shell = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
  const modulesFolder = realpathSync(kernel.modules)
  // Also where the machine has a /tmp of its own and the project is below it.
  const needed = [projectRoot, realpathSync(join(projectRoot, 'node_modules')), modulesFolder].map(shell)
  const path = [join(projectRoot, 'node_modules/.bin'), '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin']
  const variables = { PATH: path.join(':'), HOME: '/root', NODE_COMPILE_CACHE: '/compiled', ...env }
  const script = `#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
${files.map((file) => `$b insmod /modules/${basename(file)}\n`).join('')}
$b mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,ro,msize=512000 host /host
$b mount -t tmpfs tmpfs /layer
$b mkdir /layer/upper /layer/work
$b mount -t overlay -o lowerdir=/host,upperdir=/layer/upper,workdir=/layer/work overlay /root
$b mount --bind /root /all
$b mkdir -p /root/out /root/compiled /root/lib/modules /root/etc
$b mount -t 9p -o trans=virtio,version=9p2000.L,cache=none,msize=512000 out /root/out
$b mount -t 9p -o trans=virtio,version=9p2000.L,cache=loose,msize=512000 compiled /root/compiled
$b mount -t proc proc /root/proc
$b mount -t sysfs sys /root/sys
$b mount -t devtmpfs dev /root/dev
$b mkdir -p /root/dev/shm /root/dev/pts
$b mount -t devpts pts /root/dev/pts
for folder in tmp run dev/shm; do $b mount -t tmpfs tmpfs /root/$folder; done
${needed.map((folder) => `$b mkdir -p /root${folder}\n$b mount --bind /all${folder} /root${folder}\n`).join('')}
$b ln -s ${shell(join(modulesFolder, kernel.release))} /root/lib/modules/${kernel.release}
$b cp /bin/busybox /root/run/busybox
for name in modprobe insmod rmmod; do $b ln -s busybox /root/run/$name; done
$b cp /inside /root/run/inside
exec $b switch_root /root /bin/sh /run/inside
`
  const inside = `b=/run/busybox
echo /run/modprobe > /proc/sys/kernel/modprobe
$b ip link set lo up
/run/modprobe -a ${[networkModules, ...modules].join(' ')}
cd ${shell(projectRoot)}
${Object.entries(variables)
  .map(([name, value]) => `export ${name}=${shell(value)}\n`)
  .join('')}
${argv.map(shell).join(' ')} > /out/output 2>&1 < /dev/null
echo $? > /out/code
$b sync
$b poweroff -f
`
  return [
    ...['bin', 'dev', 'proc', 'sys', 'modules', 'host', 'layer', 'all', 'root'].map((folder) => ({ path: folder })),
    { path: 'bin/busybox', content: readFileSync(kernel.busybox), executable: true },
    ...files.map((file) => ({ path: `modules/${basename(file)}`, content: readFileSync(file) })),
    { path: 'init', content: Buffer.from(script), executable: true },
    { path: 'inside', content: Buffer.from(inside) },
  ]
}

function words(text: string): string[] {
  return text.split(' ')
}

/** Resolves with what QEMU complained about, when the machine has been switched off. */
function started(argv: readonly string[], timeoutMs: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, { stdio: ['ignore', 'ignore', 'pipe'] })
    // Not the option of spawn: it holds this process until its time is over when there is no such program.
    const tooLong = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    let complaint = ''
    child.stderr.setEncoding('utf8').on('data', (part: string) => (complaint += part))
    child.on('error', (error) => {
      clearTimeout(tooLong)
      reject(error)
    })
    child.on('close', (_, signal) => {
      clearTimeout(tooLong)
      resolve(signal === null ? complaint : `${complaint}switched off after ${timeoutMs / 1000} s\n`)
    })
  })
}
