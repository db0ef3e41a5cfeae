import { connect } from 'node:net'
import type { Answer } from '../support/openapi-judge.ts'

export interface HeadedAnswer extends Answer {
  readonly head: string
}

/** Asks for the end of the connection. */
const FAREWELL = Buffer.from('GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n')

/**
 * Sends requests one behind the other on one connection, byte for byte, and reads as many answers as come before the connection closes.
 * Answers must say how long they are.
 */
export function pipelined(origin: string, requests: readonly Buffer[]): Promise<readonly HeadedAnswer[]> {
  const { hostname, port } = new URL(origin)
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = []
    const socket = connect(Number(port), hostname, () => socket.write(Buffer.concat([...requests, FAREWELL])))
    // What is cut off in the middle of what is sent has been answered before.
    socket.on('error', () => {})
    socket.on('data', (part: Buffer) => parts.push(part))
    socket.once('close', () => {
      try {
        resolve(answersIn(Buffer.concat(parts)).slice(0, requests.length))
      } catch (error) {
        reject(error)
      }
    })
  })
}

function answersIn(said: Buffer): readonly HeadedAnswer[] {
  const answers: HeadedAnswer[] = []
  for (let at = 0; at < said.length;) {
    const headEnd = said.indexOf('\r\n\r\n', at)
    if (headEnd < 0) throw new Error(`an answer has no end: ${said.subarray(at, at + 200).toString('latin1')}`)
    const head = said.subarray(at, headEnd).toString('latin1')
    const length = /^content-length: (\d+)$/im.exec(head)?.[1]
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1])
    if (length === undefined && status !== 202 && status !== 204) throw new Error(`an answer does not say how long it is: ${head}`)
    const body = said.subarray(headEnd + 4, headEnd + 4 + Number(length ?? 0))
    answers.push({ head, status, type: /^content-type: (.*)$/im.exec(head)?.[1] ?? '', body })
    at = headEnd + 4 + Number(length ?? 0)
  }
  return answers
}
