/**
 * Takes this process's main thread into a network namespace and back: sockets and processes made meanwhile belong there for good.
 * For tests that call the proxy's writers themselves. One at a time; a test file is a process of its own.
 */
import { closeSync, openSync } from 'node:fs'
import koffi from 'koffi'

const library = koffi.load(null)
const setns: (fd: number, type: number) => number = library.func('int setns(int, int)')
const newNetwork = 0x40000000

/** `work` must do all its opening and spawning before its first await. */
export function inside<T>(namespace: string, work: () => T): T {
  const home = openSync('/proc/self/ns/net', 'r')
  const there = openSync(`/run/netns/${namespace}`, 'r')
  try {
    enter(there)
    return work()
  } finally {
    enter(home)
    closeSync(home)
    closeSync(there)
  }
}

function enter(fd: number): void {
  if (setns(fd, newNetwork) !== 0) throw new Error(`setns: errno ${koffi.errno()}`)
}
