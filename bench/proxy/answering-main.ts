/**
 * All endpoints of the benchmark in one process: on TCP it says which of its addresses was reached and then echoes; on UDP, on the addresses
 * given as arguments (an answer must come from the address that was asked), it answers with that address. `answering-main.ts PORT [ADDRESS ...]`.
 */
import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'

const [port = '', ...addresses] = process.argv.slice(2)

createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => socket.destroy())
  socket.write(`${socket.localAddress}\n`)
  socket.pipe(socket)
}).listen({ port: Number(port), host: '0.0.0.0', backlog: 4096 }, () => {
  let bound = 0
  const ready = () => {
    if (bound++ === addresses.length) process.stdout.write('ready\n')
  }
  for (const address of addresses) {
    const socket = createSocket('udp4')
    socket.on('message', (_, peer) => socket.send(address, peer.port, peer.address))
    socket.bind(Number(port), address, ready)
  }
  ready()
})
