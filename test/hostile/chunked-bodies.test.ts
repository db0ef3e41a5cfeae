import { once } from 'node:events'
import { request as open, type IncomingMessage } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { useRealSockets } from '../transport/real-sockets.ts'
import { KEY, startTarget } from './target.ts'
import type { Target } from './target.ts'

useRealSockets()

let target: Target
beforeAll(async () => {
  target = await startTarget({ isKeyed: true })
}, 60_000)
afterAll(() => target.close())

/** More than a stranger may send, in pieces that come one after the other. */
const PIECE = `{"a":"${'a'.repeat(40_000)}`
const PIECES = 5

interface Answer {
  readonly status: number
  readonly text: string
}

/** Null where the connection was closed before an answer was read. */
async function send(path: string, type: string, key: string | null, isBrokenOff: boolean): Promise<Answer | null> {
  const headers = { 'content-type': type, ...(key === null ? {} : { authorization: `Bearer ${key}`, 'x-key': key }) }
  const request = open(`${target.url}${path}`, { method: 'POST', agent: false, headers })
  const answered = once(request, 'response').then(
    async ([reply]) => {
      const { statusCode: status = 0 } = reply as IncomingMessage
      return { status, text: await text(reply as IncomingMessage) }
    },
    () => null,
  )
  for (let piece = 0; piece < PIECES && !request.destroyed; piece += 1) await new Promise((resolve) => request.write(PIECE, resolve))
  if (isBrokenOff) request.destroy()
  else request.end()
  return answered.catch(() => null)
}

test(
  'a body in chunks, at any path, of anybody, whole or broken off, is answered with a refusal and ends nothing',
  { timeout: 60_000 },
  async () => {
    const paths = target.operations
      .filter(({ method }) => method.toLowerCase() === 'post')
      .map(({ path }) => path.replaceAll(/\{[^}]+\}/g, 'nothing'))
    const types = ['application/json', 'multipart/form-data; boundary=x', 'text/plain']
    expect(paths.length).toBeGreaterThan(10)
    for (const path of [...new Set(paths), '/bfl/v1/flux-2-pro', '/nowhere', '/v1/nowhere']) {
      const sent = [null, 'a-key-that-nobody-has', KEY].flatMap((key) =>
        types.flatMap((type) => [send(path, type, key, false), ...(type === 'application/json' ? [send(path, type, key, true)] : [])]),
      )
      for (const answer of await Promise.all(sent)) {
        if (answer === null) continue
        expect(answer.status, `${path}: ${answer.text.slice(0, 200)}`).toBeGreaterThanOrEqual(400)
        expect(answer.status, `${path}: ${answer.text.slice(0, 200)}`).toBeLessThan(500)
      }
      expect((await fetch(`${target.url}/healthz`)).status, path).toBe(200)
    }
    expect(target.said()).not.toContain('failed unexpectedly')
  },
)

/** The beginning of a body that nobody asked for, then nothing: the client is gone, by a reset or as one that gives up. */
async function leave(path: string, headers: string, how: 'resets' | 'closes', afterMs: number): Promise<void> {
  const { hostname, port } = new URL(target.url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  await once(socket, 'connect')
  socket.write(`GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\n${headers}transfer-encoding: chunked\r\n\r\n1\r\nx\r\n`)
  await new Promise((resolve) => setTimeout(resolve, afterMs))
  if (how === 'resets') socket.resetAndDestroy()
  else socket.destroy()
}

test('a body in chunks that no route reads, of a client that goes away at any moment, ends nothing', { timeout: 60_000 }, async () => {
  const { id } = (await (
    await fetch(`${target.url}/v1/generations`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', prefer: 'respond-async' },
      body: JSON.stringify({ model: 'flux-2-pro', prompt: 'a fox sandbox:slow', width: 256, height: 256 }),
    })
  ).json()) as { readonly id: string }
  const known = `authorization: Bearer ${KEY}\r\n`
  const upgrade =
    'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
  const routes: readonly (readonly [path: string, headers: string])[] = [
    ...['/healthz', '/readyz', '/openapi.json', '/docs', '/', '/metrics', '/v1/images/x', '/nowhere', '/mcp'].map(
      (path) => [path, ''] as const,
    ),
    ['/runware/v1', upgrade],
    [`/v1/generations/${id}`, `${known}prefer: wait=20\r\n`],
    [`/v1/generations/${id}/events`, known],
    ['/mcp', known],
    ['/v1/backup/database', known],
  ]
  for (const [path, headers] of routes) {
    for (const how of ['resets', 'closes'] as const) await Promise.all([0, 5, 40].map((afterMs) => leave(path, headers, how, afterMs)))
    const health = await fetch(`${target.url}/healthz`).catch(() => null)
    expect(health?.status, `${path}: ${target.said().slice(-600)}`).toBe(200)
  }
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect((await fetch(`${target.url}/healthz`)).status).toBe(200)
})
