import http from 'node:http'
import https from 'node:https'
import net, { type AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import type { Manifest } from '#contract'
import { Secret } from '../../src/transport/secret.ts'
import { CERTIFICATE, KEY } from './certificate.ts'

export const API_KEY = 'canary-3f9a1c'

/** A provider whose only host is the given base URL's, besides what `hosts` lists. */
export const providerAt = (baseUrl: string, hosts: readonly string[] = ['*.vendor.test']) => ({
  id: 'acme',
  manifest: { hosts: [...hosts], auth: { header: 'x-key', env: 'ACME_API_KEY' } } satisfies Pick<Manifest, 'hosts' | 'auth'>,
  baseUrl,
  apiKey: new Secret(API_KEY),
})

export interface Heard {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export interface Loopback {
  readonly url: string
  readonly port: number
  /** Every request that arrived whole, in order. */
  readonly heard: readonly Heard[]
}

type Answer = (request: http.IncomingMessage, response: http.ServerResponse, body: string) => void

const listen = async (server: net.Server, stop: () => void): Promise<number> => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(
    () =>
      new Promise<void>((resolve) => {
        server.close(() => resolve())
        stop()
      }),
  )
  return (server.address() as AddressInfo).port
}

const listener =
  (heard: Heard[], answer: Answer): http.RequestListener =>
  (request, response) => {
    let body = ''
    request.on('error', () => {})
    request.on('data', (chunk) => (body += String(chunk)))
    request.on('end', () => {
      heard.push({ method: request.method ?? '', url: request.url ?? '', headers: request.headers, body })
      answer(request, response, body)
    })
  }

export async function httpServer(answer: Answer): Promise<Loopback> {
  const heard: Heard[] = []
  const server = http.createServer(listener(heard, answer))
  const port = await listen(server, () => server.closeAllConnections())
  return { url: `http://127.0.0.1:${port}`, port, heard }
}

export async function httpsServer(answer: Answer): Promise<Loopback> {
  const heard: Heard[] = []
  const server = https.createServer({ key: KEY, cert: CERTIFICATE }, listener(heard, answer))
  const port = await listen(server, () => server.closeAllConnections())
  return { url: `https://127.0.0.1:${port}`, port, heard }
}

/** A bare TCP server: `onData` hears each chunk, with the number of the connection, from 1. */
export async function tcpServer(
  onData: (socket: net.Socket, chunk: string, connection: number) => void,
  onConnect: (socket: net.Socket) => void = () => {},
): Promise<Loopback & { readonly connections: () => number }> {
  const sockets = new Set<net.Socket>()
  let connections = 0
  const server = net.createServer((socket) => {
    connections += 1
    const connection = connections
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (chunk) => onData(socket, chunk.toString('latin1'), connection))
    onConnect(socket)
  })
  const port = await listen(server, () => sockets.forEach((socket) => socket.destroy()))
  return { url: `http://127.0.0.1:${port}`, port, heard: [], connections: () => connections }
}

export interface ConnectProxy extends Loopback {
  /** What it was asked to CONNECT to, in order. */
  readonly asked: readonly string[]
}

/**
 * A real proxy that understands CONNECT and nothing else. `names` says which port of loopback a name stands for; other names and addresses are
 * connected to as they are.
 */
export async function connectProxy({
  names = {},
  authorization,
  secure = false,
}: {
  readonly names?: Readonly<Record<string, number>>
  /** The header without which it answers 407. */
  readonly authorization?: string
  readonly secure?: boolean
} = {}): Promise<ConnectProxy> {
  const asked: string[] = []
  const heard: Heard[] = []
  const sockets = new Set<net.Socket>()
  const server = secure ? https.createServer({ key: KEY, cert: CERTIFICATE }) : http.createServer()
  server.on(
    'request',
    listener(heard, (_request, response) => response.writeHead(405).end()),
  )
  server.on('connect', (request: http.IncomingMessage, client: net.Socket) => {
    const authority = request.url ?? ''
    asked.push(authority)
    sockets.add(client)
    client.on('error', () => {})
    if (authorization !== undefined && request.headers['proxy-authorization'] !== authorization)
      return client.end('HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n')
    const { hostname, port } = new URL(`http://${authority}`)
    const mapped = names[hostname]
    const target = net.connect(mapped ?? Number(port), mapped === undefined ? hostname : '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      target.pipe(client).pipe(target)
    })
    sockets.add(target)
    return target.on('error', () => client.destroy())
  })
  const port = await listen(server, () => {
    server.closeAllConnections()
    sockets.forEach((socket) => socket.destroy())
  })
  return { url: `${secure ? 'https' : 'http'}://127.0.0.1:${port}`, port, heard, asked }
}

/** A port of loopback on which nobody listens. */
export async function closedPort(): Promise<number> {
  const server = net.createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise<void>((resolve) => server.close(() => resolve()))
  return port
}

/** Answers every name with these addresses, one list per call, the last one for ever. */
export function lookupOf(...answers: readonly (readonly string[])[]): net.LookupFunction {
  let asked = 0
  return (_host, options, callback) => {
    const addresses = (answers[Math.min(asked, answers.length - 1)] ?? []).map((address) => ({ address, family: net.isIP(address) }))
    asked += 1
    if (options.all === true) callback(null, addresses)
    else callback(null, addresses[0]?.address ?? '', addresses[0]?.family ?? 4)
  }
}
