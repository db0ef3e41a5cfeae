import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'
import type { StartEmulator } from '#sandbox'
import { FAULTS } from './faults.ts'
import type { Fault } from './faults.ts'

/**
 * A strict vendor whose network fails after it has accepted: the emulator of a provider behind a proxy. Every fifth request that buys gets
 * one of the faults, in turn; all of them are accepted and charged first. Prints its address; `GET /bench/bought` says how many images were
 * bought and which faults were played. Runware’s SDK speaks a WebSocket: there, what has no status ends the connection.
 */
const [, , provider = ''] = process.argv
const LATE_MS = 3_000
const EVERY = 5

const { startEmulator } = (await import(`../../providers/${provider}/emulator.ts`)) as { readonly startEmulator: StartEmulator }
const emulator = await startEmulator({ typicalMs: 100 })
const played: Record<Fault, number> = { drop: 0, reset: 0, 502: 0, 504: 0, 524: 0, empty: 0, late: 0 }
let buying = 0

function nextFault(): Fault | null {
  buying += 1
  if (buying % EVERY !== 0) return null
  const fault = FAULTS[(buying / EVERY) % FAULTS.length] ?? null
  if (fault !== null) played[fault] += 1
  return fault
}

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Buffer
}

const HOP_BY_HOP = new Set(['connection', 'content-length', 'expect', 'host', 'keep-alive', 'transfer-encoding'])
const endToEnd = (headers: http.IncomingHttpHeaders): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).flatMap(([name, value]) => (HOP_BY_HOP.has(name) ? [] : [[name, String(value)]])))

/** Asks the emulator; links in its reply lead here. */
async function forward(method: string, path: string, headers: http.IncomingHttpHeaders, body: Buffer): Promise<Answer> {
  const reply = await request(`${emulator.url}${path}`, {
    method: method as 'GET',
    headers: endToEnd(headers),
    ...(body.length > 0 ? { body } : {}),
  })
  const bytes = Buffer.from(await reply.body.arrayBuffer())
  const isText = /json|text/.test(String(reply.headers['content-type']))
  return {
    status: reply.statusCode,
    headers: endToEnd(reply.headers),
    bytes: isText ? Buffer.from(bytes.toString().replaceAll(emulator.url, origin)) : bytes,
  }
}

/** Asking for a result, a balance or a cancel buys nothing. */
const buys = (method: string, path: string, body: Buffer): boolean =>
  method === 'POST' && !path.endsWith('/cancel') && !/"(getResponse|authentication|accountManagement)"/.test(body.toString())

async function serveOne(asked: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
  const [method, path] = [asked.method ?? 'GET', asked.url ?? '/']
  if (path === '/bench/bought') return void response.end(JSON.stringify({ bought: emulator.submits(), played }))
  const body = await buffer(asked)
  const answer = await forward(method, path, asked.headers, body)
  const fault = answer.status < 300 && buys(method, path, body) ? nextFault() : null
  if (fault === 'drop') return void response.destroy()
  if (fault === 'reset') return void asked.socket.resetAndDestroy()
  if (fault === 'late') await pause(LATE_MS)
  if (fault === '502' || fault === '504' || fault === '524') return void response.writeHead(Number(fault)).end('upstream failed')
  if (fault === 'empty') return void response.writeHead(200, { 'content-length': 0 }).end()
  response.writeHead(answer.status, { ...answer.headers, 'content-length': answer.bytes.length }).end(answer.bytes)
}

const server = http.createServer((asked, response) => void serveOne(asked, response).catch(() => response.destroy()))

/** What is used of `ws`, which brings no types. */
interface Socket {
  send(text: string): void
  terminate(): void
  on(event: 'message', listener: (message: Buffer) => void): void
}
interface Ws {
  readonly WebSocketServer: new (options: { readonly server: http.Server }) => {
    on(event: 'connection', listener: (socket: Socket) => void): void
  }
}
const WS: string = 'ws'
const { WebSocketServer } = (await import(WS)) as Ws

async function onMessage(socket: Socket, key: { value: string }, message: Buffer): Promise<void> {
  const tasks = JSON.parse(message.toString()) as readonly Record<string, unknown>[]
  const [first = {}] = tasks
  const say = (data: object): void => socket.send(JSON.stringify({ data: [data] }))
  if (first['taskType'] === 'ping') return say({ taskType: 'ping', pong: true })
  if (first['taskType'] === 'authentication') {
    key.value = String(first['apiKey'])
    const id = first['connectionSessionUUID'] ?? crypto.randomUUID()
    return say({ taskType: 'authentication', connectionSessionUUID: id })
  }
  const headers = { authorization: `Bearer ${key.value}`, 'content-type': 'application/json' }
  const answer = await forward('POST', '/v1', headers, Buffer.from(JSON.stringify(tasks)))
  const fault = answer.status < 300 && buys('POST', '/v1', message) ? nextFault() : null
  if (fault === 'late') await pause(LATE_MS)
  if (fault === 'empty') return socket.send('{}')
  if (fault === null || fault === 'late') return socket.send(answer.bytes.toString())
  socket.terminate()
}

new WebSocketServer({ server }).on('connection', (socket) => {
  const key = { value: '' }
  socket.on('message', (message: Buffer) => void onMessage(socket, key, message))
})
server.listen(0, '127.0.0.1')
await new Promise((resolve) => void server.once('listening', resolve))
const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
process.stdout.write(`${origin}\n`)
