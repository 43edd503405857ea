/** Writes a cpio archive in the `newc` format, the one the kernel takes as an initramfs (Documentation/driver-api/early-userspace). Pure. */

export interface ArchiveEntry {
  /** Without a leading slash. */
  path: string
  /** Undefined: a folder. */
  content?: Buffer
  executable?: boolean
}

export function cpio(entries: readonly ArchiveEntry[]): Buffer {
  const parts = entries.flatMap(({ path, content, executable }, index) =>
    record(index + 1, path, content === undefined ? 0o40755 : executable ? 0o100755 : 0o100644, content),
  )
  return Buffer.concat([...parts, ...record(0, 'TRAILER!!!', 0)])
}

function record(inode: number, path: string, mode: number, content: Buffer = Buffer.alloc(0)): Buffer[] {
  const name = Buffer.from(`${path}\0`)
  const numbers = [inode, mode, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length, 0]
  const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}`
  return [padded(Buffer.concat([Buffer.from(header), name])), padded(content)]
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)])
}
