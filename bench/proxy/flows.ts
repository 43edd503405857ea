/** Flows that stay: a TCP connection and a UDP association that are used all the time and must keep their endpoint. */
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import type { Target } from './connecting.ts'

export interface Flow {
  /** Ends it; why it counts as lost, undefined when it lived. */
  end(): Promise<string | undefined>
}

const beatMs = 100
/** A beat that is not answered for so long means that the flow is lost. */
const silenceMs = 3000

export function tcpFlow({ host, port }: Target): Promise<Flow> {
  return new Promise((resolve, reject) => {
    let lost: string | undefined
    let heard = Date.now()
    const socket = connect({ host, port, noDelay: true })
    const timer = setInterval(() => {
      if (Date.now() - heard > silenceMs) lost ??= 'TCP: silent'
      socket.write('x')
    }, beatMs)
    const fail = (reason: string) => {
      lost ??= `TCP: ${reason}`
      clearInterval(timer)
      reject(new Error(lost))
    }
    socket.on('error', (error) => fail(error.message))
    socket.on('end', () => fail('closed'))
    socket.on('data', () => {
      heard = Date.now()
      resolve({
        end: () => {
          clearInterval(timer)
          socket.destroy()
          return Promise.resolve(lost)
        },
      })
    })
  })
}

export function udpFlow({ host, port }: Target): Promise<Flow> {
  return new Promise((resolve) => {
    let lost: string | undefined
    let heard = Date.now()
    let endpoint: string | undefined
    const socket = createSocket('udp4')
    socket.on('error', (error) => (lost ??= `UDP: ${error.message}`))
    socket.on('message', (message) => {
      heard = Date.now()
      endpoint ??= message.toString()
      if (message.toString() !== endpoint) lost ??= `UDP: moved from ${endpoint} to ${message.toString()}`
      resolve({
        end: () => {
          clearInterval(timer)
          socket.close()
          return Promise.resolve(lost)
        },
      })
    })
    const timer = setInterval(() => {
      if (Date.now() - heard > silenceMs) lost ??= 'UDP: silent'
      socket.send('who', port, host)
    }, beatMs)
  })
}
