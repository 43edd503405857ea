/**
 * One UDP socket that keeps sending to one address from one port, as a resolver or a game client does: `udp-sender-main.ts HOST PORT
 * [LOCAL-PORT]`. Tells on stdout whenever who answers has changed, one JSON object a line: a name, an error code, or `nobody` when
 * nothing came for a while. Ends with its standard input.
 */
import { createSocket } from 'node:dgram'
import type { Heard } from './udp-sender.ts'

const [host = '', port = '', localPort = '0'] = process.argv.slice(2)
const everyMs = 5
const silenceMs = 400

const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4')
let last = ''
let lastAnswer = Date.now()
const tell = (name: string) => {
  if (name === last) return
  last = name
  const heard: Heard = { name, at: Date.now() }
  process.stdout.write(`${JSON.stringify(heard)}\n`)
}
const hear = (name: string) => {
  lastAnswer = Date.now()
  tell(name)
}
const failed = (error: Error) => hear('code' in error ? String(error.code) : error.message)

socket.on('message', (message) => hear((JSON.parse(message.toString()) as { name: string }).name))
socket.on('error', failed)
socket.bind(Number(localPort), () => {
  // A connected socket is told about ICMP errors.
  socket.connect(Number(port), host, () => {
    setInterval(() => {
      socket.send('who', (error) => error && failed(error))
      if (Date.now() - lastAnswer > silenceMs) tell('nobody')
    }, everyMs)
  })
})
process.stdin.on('end', () => process.exit(0)).resume()
