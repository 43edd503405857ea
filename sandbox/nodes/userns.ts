/**
 * The sandbox for an ordinary user: a user namespace in which that user may make network namespaces, with a mount namespace whose /run
 * is its own (names of network namespaces live there). The machine's network stays visible, so an API server on loopback is reachable
 * from both sides; it cannot be changed from inside. Everything made inside disappears with its last process.
 */
import { readFileSync, readlinkSync } from 'node:fs'

// Makes /run private and keeps what /etc/resolv.conf may point at in there. `$@` is the command.
const script = `set -e
place=$(readlink -f /etc/resolv.conf || true)
text=$(cat /etc/resolv.conf 2>/dev/null || true)
mount -t tmpfs -o mode=755 tmpfs /run
case "$place" in /run/*) mkdir -p "\${place%/*}"; printf '%s\\n' "$text" > "$place";; esac
mkdir -p /run/netns
exec "$@"`

/**
 * Put this before a command line: it runs as root of a new user namespace, in place (same pid), where network namespaces can be made.
 * Where the kernel refuses, the command does not run and unshare says why.
 */
export function userNamespaceLauncher(): string[] {
  return ['unshare', '--user', '--map-root-user', '--mount', '--propagation', 'private', 'sh', '-c', script, 'sh']
}

/** What has to work for the sandbox, as a command that ends with 0 where it does. */
export function userNamespaceTrial(): string[] {
  return [...userNamespaceLauncher(), 'sh', '-c', ': > /run/netns/rs-trial && unshare --net=/run/netns/rs-trial true']
}

/** The user's number outside the user namespace; `uidMap` is the text of /proc/self/uid_map. Pure. */
export function outerUid(uid: number, uidMap: string): number {
  for (const line of uidMap.trim().split('\n')) {
    const [inside = 0, outside = 0, length = 0] = line.trim().split(/\s+/).map(Number)
    if (uid >= inside && uid < inside + length) return outside + (uid - inside)
  }
  return uid
}

/** outerUid of this process's user namespace. */
export function realUid(uid: number): number {
  return outerUid(uid, readFileSync('/proc/self/uid_map', 'utf8'))
}

/**
 * Words to put before a command so that it runs in the user and mount namespace of another process; empty when that is ours already.
 * The kernel lets the user who made the namespaces enter them.
 */
export function enterUserNamespaceOf(pid: number): string[] {
  const same = (kind: string) => readlinkSync(`/proc/${pid}/ns/${kind}`) === readlinkSync(`/proc/self/ns/${kind}`)
  if (same('user') && same('mnt')) return []
  return [
    'nsenter',
    `--target=${pid}`,
    ...(same('user') ? [] : ['--user', '--preserve-credentials']),
    '--mount',
    '--wd=.',
  ]
}
