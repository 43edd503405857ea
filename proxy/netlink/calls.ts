/**
 * The calls of the C library that Node has no names for. The only file that loads koffi, and only when `loadCalls` is called: the proxy
 * works without it.
 */

export interface Calls {
  socket: (family: number, type: number, protocol: number) => number
  bind: (fd: number, address: Uint8Array, length: number) => number
  getsockname: (fd: number, address: Uint8Array, length: Uint8Array) => number
  setsockopt: (fd: number, level: number, name: number, value: Uint8Array, length: number) => number
  getsockoptInThread: (
    fd: number,
    level: number,
    name: number,
    value: Uint8Array,
    length: Uint8Array,
  ) => Promise<number>
  attachFilter: (fd: number, level: number, name: number, program: FilterProgram, length: number) => number
  filterProgramBytes: number
  fcntl: (fd: number, command: number, argument: number) => number
  send: (fd: number, data: Uint8Array, length: number, flags: number) => number
  recv: (fd: number, data: Uint8Array, length: number, flags: number) => number
  sendInThread: (fd: number, data: Uint8Array, length: number, flags: number) => Promise<number>
  recvInThread: (fd: number, data: Uint8Array, length: number, flags: number) => Promise<number>
  close: (fd: number) => number
  errno: () => number
}

interface FilterProgram {
  length: number
  filter: Uint8Array
}

/** Rejects when koffi has no build for this machine. */
export async function loadCalls(): Promise<Calls> {
  const koffi = (await import('koffi')).default
  const library = koffi.load(null)
  const send = library.func('long send(int, const void *, size_t, int)')
  const recv = library.func('long recv(int, void *, size_t, int)')
  const filterProgram = koffi.struct({ length: 'uint16', filter: 'const void *' })
  return {
    socket: library.func('int socket(int, int, int)'),
    bind: library.func('int bind(int, const void *, uint)'),
    getsockname: library.func('int getsockname(int, void *, void *)'),
    setsockopt: library.func('int setsockopt(int, int, int, const void *, uint)'),
    getsockoptInThread: inThread(library.func('int getsockopt(int, int, int, void *, void *)')),
    attachFilter: library.func('setsockopt', 'int', ['int', 'int', 'int', koffi.pointer(filterProgram), 'uint']),
    filterProgramBytes: koffi.sizeof(filterProgram),
    fcntl: library.func('int fcntl(int, int, int)'),
    send,
    recv,
    sendInThread: inThread(send),
    recvInThread: inThread(recv),
    close: library.func('int close(int)'),
    errno: () => koffi.errno(),
  }
}

function inThread(call: { async: Function }): (...given: readonly (number | Uint8Array)[]) => Promise<number> {
  return (...given) =>
    new Promise((resolve, reject) => {
      const ended = (error: Error | null, result: number) => (error ? reject(error) : resolve(result))
      call.async(...given, ended)
    })
}
