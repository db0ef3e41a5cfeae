import { createServer, type IncomingMessage, type Server } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { SANDBOX_KEY } from '#sandbox'

export interface SpitefulVendor {
  readonly url: string
  /** Every key it was shown. */
  readonly keys: ReadonlySet<string>
  /** Every callback secret, and the last part of every callback address, that it was given. */
  readonly callbackSecrets: ReadonlySet<string>
  calls(): number
  close(): Promise<void>
}

const hex = (character: string): string => character.charCodeAt(0).toString(16).padStart(2, '0')

/** The key in the spellings that a server could give it, as text inside JSON. */
const spellings = (key: string): readonly string[] => [
  key,
  Array.from(key, (one) => String.raw`\u00${hex(one)}`).join(''),
  Array.from(key, (one) => String.raw`\\u00${hex(one)}`).join(''),
  Array.from(key, (one) => `%${hex(one).toUpperCase()}`).join(''),
  Array.from(key, (one) => `&#${one.charCodeAt(0)};`).join(''),
  Array.from(key, (one) => `&#x${hex(one)};`).join(''),
  ...['', 'x', 'xy'].map((before) => Buffer.from(`${before}${key}`).toString('base64')),
  Buffer.from(key).toString('base64url'),
  `${key.slice(0, 9)}${String.raw`\n`}${key.slice(9)}`,
]

/**
 * A server before an emulator that says everything it was shown back: the key in every spelling, the call's body, and a signed link, in each
 * text of an error, in fields of every answer, and in headers.
 */
export async function startSpitefulVendor(upstream: string, signature: string): Promise<SpitefulVendor> {
  const keys = new Set<string>()
  const callbackSecrets = new Set<string>()
  let calls = 0
  let origin = ''
  const server: Server = createServer((request, response) => {
    void relay(request).then(
      ({ status, headers, body }) => response.writeHead(status, headers).end(body),
      () => response.destroy(),
    )
  })

  async function relay(request: IncomingMessage) {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const { 'x-key': ownHeader, authorization } = request.headers
    const key = String(ownHeader ?? authorization ?? '').replace(/^Bearer /, '')
    if (key !== '') calls++
    if (key !== '') keys.add(key)
    for (const [, secret, token] of body.toString().matchAll(/"webhook_secret":"([^"]+)"|\/v1\/hooks\/[^"]*\.([^".]+)"/g))
      callbackSecrets.add(secret ?? token ?? '')
    const reply = await fetch(`${upstream}${request.url ?? '/'}`, {
      method: request.method ?? 'GET',
      headers: {
        'content-type': request.headers['content-type'] ?? 'application/json',
        ...(ownHeader === undefined ? {} : { 'x-key': SANDBOX_KEY }),
        ...(authorization === undefined ? {} : { authorization: `Bearer ${SANDBOX_KEY}` }),
      },
      ...(body.length > 0 ? { body } : {}),
    })
    const type = reply.headers.get('content-type') ?? 'application/octet-stream'
    const bytes = Buffer.from(await reply.arrayBuffer())
    const headers = {
      'content-type': type,
      ...(key === '' ? {} : { 'x-echo': spellings(key)[3], 'x-key-echo': key, 'set-cookie': `key=${key}` }),
    }
    const retryAfter = reply.headers.get('retry-after')
    return {
      status: reply.status,
      headers: { ...headers, ...(retryAfter === null ? {} : { 'retry-after': retryAfter }) },
      body: type.includes('json') ? spoilt(bytes.toString().replaceAll(upstream, origin), reply.status, key, body.toString()) : bytes,
    }
  }

  /** With words of its own in every text that a person would read, and in fields that nobody asked for. */
  function spoilt(text: string, status: number, key: string, body: string): string {
    const words = `your key KEYS at https://cdn.example/x.png?sig=${signature} is not welcome: ${body.replaceAll(/sandbox:[a-z=,0-9-]+/g, '').slice(0, 200)}`
    const isWords = (name: string): boolean => /^(message|detail|details|error|msg|reason|description)$/.test(name)
    const filled = JSON.stringify(JSON.parse(text), (name, value: unknown) =>
      typeof value === 'string' && isWords(name) ? `${value} ${words}` : value,
    )
    const echoed = filled.startsWith('{') ? filled.replace('{', `{"echo":${JSON.stringify({ words, status })},`) : filled
    return echoed.replaceAll('KEYS', spellings(key).join(' '))
  }

  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url: origin,
    keys,
    callbackSecrets,
    calls: () => calls,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
