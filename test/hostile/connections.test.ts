import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Problem } from '#contract'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'

useRealSockets()

const KEY = 'a-key-of-the-hostile-tests'
let server: ServerProcess
let folder: string
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-hostile-'))
  const hash = createHash('sha256').update(KEY).digest('hex')
  writeFileSync(join(folder, 'imagegate.yaml'), `keys: [{ name: team-a, key_hash: ${hash} }]\n`)
  server = await startProcess({ IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') })
})
afterAll(async () => {
  await server.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

const open: Socket[] = []
afterAll(() => open.forEach((socket) => socket.destroy()))

function dial(): Socket {
  const { hostname, port } = new URL(server.url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  open.push(socket)
  return socket
}

/** Everything that comes until the other side closes, and how long that took. */
function conversation(say: string | ((socket: Socket) => void)): Promise<{ readonly text: string; readonly ms: number }> {
  const socket = dial()
  const startedAt = performance.now()
  let text = ''
  socket.setEncoding('latin1').on('data', (part: string) => (text += part))
  if (typeof say === 'string') socket.write(say)
  else say(socket)
  return new Promise((resolve) => socket.once('close', () => resolve({ text, ms: performance.now() - startedAt })))
}

function answerIn(text: string): { readonly status: number; readonly type: string; readonly problem: Problem } {
  const [head = '', body = ''] = text.split('\r\n\r\n', 2)
  return {
    status: Number(/^HTTP\/1\.1 (\d+)/.exec(head)?.[1]),
    type: /^content-type: (.*)$/im.exec(head)?.[1] ?? '',
    problem: JSON.parse(body) as Problem,
  }
}

const AUTH = `authorization: Bearer ${KEY}\r\n`
const CHUNKED = `POST /v1/quotes HTTP/1.1\r\nhost: x\r\n${AUTH}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`

describe('a problem document answers', () => {
  test.each([
    ['a URL of 9,000 characters', `GET /v1/models?x=${'a'.repeat(9_000)} HTTP/1.1\r\nhost: x\r\n${AUTH}connection: close\r\n\r\n`, 414],
    ['a URL of 70,000 characters', `GET /v1/models?x=${'a'.repeat(70_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 414],
    ['headers of 40,000 characters', `GET /v1/models HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-a: ${'a'.repeat(40_000)}\r\n\r\n`, 431],
    ['headers of 70,000 characters', `GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(70_000)}\r\n\r\n`, 431],
    [
      'a path parameter of 2,000 characters',
      `GET /v1/generations/${'a'.repeat(2_000)} HTTP/1.1\r\nhost: x\r\n${AUTH}connection: close\r\n\r\n`,
      414,
    ],
    ['a body that is no HTTP', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
    ['an unknown method', 'BREW /v1/models HTTP/1.1\r\nhost: x\r\n\r\n', 400],
    ['two different lengths', 'POST /v1/quotes HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n', 400],
    [
      'a length beside chunks',
      'POST /v1/quotes HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
      400,
    ],
    ['a bad percent-encoding', `GET /v1/models/%zz HTTP/1.1\r\nhost: x\r\n${AUTH}connection: close\r\n\r\n`, 400],
    ['a bad percent-encoding of UTF-8', `GET /v1/models/%c3%28 HTTP/1.1\r\nhost: x\r\n${AUTH}connection: close\r\n\r\n`, 400],
    ['CONNECT', 'CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n', 405],
    ['an expectation', `POST /v1/quotes HTTP/1.1\r\nhost: x\r\nexpect: a-miracle\r\n${AUTH}content-length: 2\r\n\r\n{}`, 417],
    ['no Host', 'GET /v1/models HTTP/1.1\r\nconnection: close\r\n\r\n', 400],
    ['a whole URL', `GET http://evil.com/v1/models HTTP/1.1\r\nhost: x\r\n${AUTH}connection: close\r\n\r\n`, 400],
    ['GET *', 'GET * HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n', 400],
    ['two hosts', `GET /v1/models HTTP/1.1\r\nhost: x\r\nHOST: x\r\n${AUTH}connection: close\r\n\r\n`, 400],
    ['two keys', `GET /v1/models HTTP/1.1\r\nhost: x\r\n${AUTH}${AUTH}connection: close\r\n\r\n`, 400],
    ['a bad chunk', `${CHUNKED}zz\r\n`, 400],
    ['a bad chunk behind a good one', `${CHUNKED}2\r\n{}\r\nzz\r\n`, 400],
    ['a bad trailer', `${CHUNKED}2\r\n{}\r\n0\r\nbad trailer\r\n\r\n`, 400],
    [
      'a bad chunk to a stranger’s own path',
      'GET /nope HTTP/1.1\r\nhost: x\r\nauthorization: Bearer wrong\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n',
      401,
    ],
  ])('%s', async (_what, request, status) => {
    const { text } = await conversation(request)
    expect(text.slice(0, 200)).toContain('HTTP/1.1')
    const answer = answerIn(text)
    expect(answer).toMatchObject({ status, type: expect.stringContaining('application/problem+json') })
    expect(answer.problem).toMatchObject({
      status,
      code: status === 405 ? 'method_not_allowed' : status === 401 ? 'unauthorized' : 'invalid_request',
      detail: expect.stringMatching(/\.$/),
    })
  })

  test.each([
    ['OPTIONS', 'OPTIONS /v1/generations HTTP/1.1\r\nhost: x\r\n', 204],
    ['OPTIONS that expects more', 'OPTIONS /v1/generations HTTP/1.1\r\nhost: x\r\nexpect: x\r\n', 204],
    ['two hosts', 'POST /v1/quotes HTTP/1.1\r\nhost: x\r\nhost: x\r\n', 400],
    ['a whole URL', 'POST http://x/v1/quotes HTTP/1.1\r\nhost: x\r\n', 400],
    ['a bad percent-encoding', 'POST /v1/models/%zz HTTP/1.1\r\nhost: x\r\n', 400],
  ])('a body without end behind %s is read no more, and its connection ends', { timeout: 30_000 }, async (_what, head, status) => {
    const { text } = await conversation((socket) => {
      socket.write(`${head}transfer-encoding: chunked\r\n\r\n`)
      const timer = setInterval(() => socket.write(`3e8\r\n${'x'.repeat(1_000)}\r\n`), 10)
      socket.once('close', () => clearInterval(timer))
    })
    expect([Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1]), /^connection: close\r$/im.test(text)]).toEqual([status, true])
  })

  test.each([
    ['URL', `GET /v1/models?x=${'a'.repeat(70_000)} HTTP/1.1\r\nhost: x\r\n\r\n`, 414],
    ['header', `GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(70_000)}\r\n\r\n`, 431],
    ['header without an end', `GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: ${'a b'.repeat(25_000)}`, 431],
    ['header of one word', `GET /v1/models HTTP/1.1\r\nhost: x\r\nx-a: ${'a'.repeat(50_000)}\r\n\r\n`, 431],
    [
      'URL behind another request',
      `POST /v1/quotes HTTP/1.1\r\nhost: x\r\n${AUTH}content-type: application/json\r\ncontent-length: 2\r\n\r\n{}|GET /${'a'.repeat(70_000)}`,
      414,
    ],
  ])('a %s that is too long and comes in many packets', async (_what, request, status) => {
    const { text } = await conversation((socket) => {
      const packets = request.split('|').flatMap((part) => part.match(/[^]{1,9000}/g) ?? [])
      const timer = setInterval(() => {
        const packet = packets.shift()
        if (packet === undefined) clearInterval(timer)
        else socket.write(packet)
      }, 15)
      socket.setNoDelay().once('close', () => clearInterval(timer))
    })
    expect(answerIn(text.slice(text.lastIndexOf('HTTP/1.1 '))).status).toBe(status)
  })

  test('TRACE', async () => {
    const { text } = await conversation(`TRACE /v1/models HTTP/1.1\r\nhost: x\r\n${AUTH}connection: close\r\n\r\n`)
    const answer = answerIn(text)
    expect([404, 405]).toContain(answer.status)
    expect(answer.type).toContain('application/problem+json')
  })
})

test.each(['later', 'in a form'])('a bad chunk that comes %s is answered', async (how) => {
  const form = CHUNKED.replace('/v1/quotes', '/v1/images/edits').replace('application/json', 'multipart/form-data; boundary=B')
  const { text } = await conversation((socket) => {
    socket.write(how === 'later' ? CHUNKED : `${form}6\r\n--B\r\n\r\n\r\n`)
    setTimeout(() => socket.write('zz\r\n'), 50)
  })
  expect(text).toMatch(/^HTTP\/1\.1 400 /)
})

test('a form in chunks is read to its end, however long', async () => {
  const piece = `c350\r\n${'a'.repeat(50_000)}\r\n`
  const head = '--B\r\nContent-Disposition: form-data; name="image"; filename="a.png"\r\n\r\n'
  const start = CHUNKED.replace('/v1/quotes', '/v1/images/edits').replace('application/json', 'multipart/form-data; boundary=B')
  const body = `${head.length.toString(16)}\r\n${head}\r\n${piece.repeat(12)}9\r\n\r\n--B--\r\n\r\n0\r\n\r\n`
  const { text } = await conversation(start.replace('host: x', 'host: x\r\nconnection: close') + body)
  expect(text).toContain('The file is not a PNG, JPEG or WebP image.')
})

test.each(['/v1/generations', '/mcp', '/runware/v1', '/v1/images/edits'])(
  'an upload to %s that is aborted is no error of the gateway',
  async (path) => {
    const before = server.said().length
    const type = path.endsWith('edits') ? 'multipart/form-data; boundary=B' : 'application/json'
    await conversation((socket) => {
      socket.write(`POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\n${AUTH}content-type: ${type}\r\ncontent-length: 500\r\n\r\n-`)
      setTimeout(() => socket.resetAndDestroy(), 50)
    })
    await vi.waitFor(() => expect(server.said().slice(before)).toContain(path), { timeout: 20_000 })
    expect(server.said().slice(before)).not.toMatch(/"level":[456]0/)
  },
)

describe('a stranger', () => {
  const request =
    (head: string, body = '') =>
    (socket: Socket) => {
      socket.write(`POST ${head} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 40000000\r\n\r\n${body}`)
      const drip = setInterval(() => socket.write('['), 200)
      socket.once('close', () => clearInterval(drip))
    }

  test.each(['/nope', '/v1/generations', '/bfl/v1/flux-2-pro', '/v1/images/edits', '/mcp', '/runware/v1', '/runware/nope'])(
    'that uploads 40 MB to %s is answered, and cut off, at once',
    async (path) => {
      const { text, ms } = await conversation(request(path))
      expect(text).toMatch(/^HTTP\/1\.1 401 /)
      expect(ms).toBeLessThan(3_000)
    },
  )

  test('that sends more than 64 KiB in chunks where its key may be in the body is answered, and cut off, before its body has come', async () => {
    // Blank, so that nothing else refuses it.
    const blanks = `8000\r\n${' '.repeat(0x8000)}\r\n`
    const { text, ms } = await conversation(
      `POST /runware/v1 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n[\r\n${blanks.repeat(3)}`,
    )
    expect(text).toMatch(/^HTTP\/1\.1 401 [^]*connection: close[^]*65536 bytes/i)
    expect(ms).toBeLessThan(8_000)
  })

  test('that sends more than 64 KiB on a WebSocket is cut off at once, whatever the frames are', async () => {
    const upgrade =
      'GET /runware/v1 HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
    // The beginning of a message of 2 MB, and pings: each masked with zeros.
    const long = Buffer.concat([Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0x20, 0, 0, 0, 0, 0, 0]), Buffer.alloc(70_000, '[')])
    const pings = Buffer.concat(
      Array.from({ length: 600 }, () => Buffer.concat([Buffer.from([0x89, 0xfd, 0, 0, 0, 0]), Buffer.alloc(125)])),
    )
    for (const frames of [long, pings]) {
      const { text, ms } = await conversation((socket) => {
        socket.write(upgrade)
        socket.once('data', () => socket.write(frames))
      })
      expect(text).toMatch(/^HTTP\/1\.1 101 /)
      expect(ms).toBeLessThan(8_000)
    }
  })

  test('that sends a callback to an address nobody was given is answered, and cut off, before its body has come', async () => {
    const { text, ms } = await conversation(request('/v1/hooks/runware/an-address-that-nobody-was-given'))
    expect(answerIn(text)).toMatchObject({ status: 404, problem: { code: 'not_found', detail: 'No task has this callback address.' } })
    expect(ms).toBeLessThan(3_000)
  })

  test('that asks before it uploads is answered without being asked for the body', async () => {
    const { text } = await conversation(
      'POST /v1/generations HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-type: application/json\r\ncontent-length: 9\r\n\r\n',
    )
    expect(text).toMatch(/^HTTP\/1\.1 401 /)
  })
})

describe('a known caller', () => {
  test.each([
    ['a prompt of 4 MB', '{"model":"flux-2-pro","prompt":"', 'a', 'prompt'],
    [
      'a reference that is no image',
      '{"model":"flux-2-pro","prompt":"a","reference_images":["data:image/png;base64,',
      'A',
      'reference_images.0',
    ],
  ])('that sends %s is answered at its first 80 KiB, and the field is named', async (_what, start, letter, path) => {
    const head = `POST /v1/quotes HTTP/1.1\r\nhost: x\r\n${AUTH}content-type: application/json\r\ncontent-length: 4000000\r\n\r\n`
    const { text } = await conversation(head + start + letter.repeat(80 * 1_024))
    expect(answerIn(text)).toMatchObject({ status: 400, problem: { errors: [{ path }] } })
  })
})

// They wait, and nothing else: side by side they take as long as the longest.
describe.concurrent('on a slow connection', () => {
  test('a stranger is gone within 15 s, whatever it does slowly', { timeout: 40_000 }, async () => {
    const drip = (first: string, more: string) => (socket: Socket) => {
      socket.write(first)
      const timer = setInterval(() => socket.write(more), 500)
      socket.once('close', () => clearInterval(timer))
    }
    const upgrade =
      'GET /runware/v1 HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
    const ends = await Promise.all([
      conversation(''),
      conversation(drip('GET /healthz HTTP/1.1\r\nhost: x\r\n', 'x-a: b\r\n')),
      conversation(drip('POST /runware/v1 HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n[', ' ')),
      conversation('GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'),
      conversation('GET /v1/models HTTP/1.1\r\nhost: x\r\n\r\n'),
      conversation(upgrade),
      conversation(upgrade.replace('/runware/v1', '/healthz')),
    ])
    expect(ends.map(({ ms }) => Math.round(ms)).filter((ms) => ms > 15_500)).toEqual([])
    expect(ends[1]?.text).toContain('408')
    expect(ends[5]?.text).toContain('101 Switching Protocols')
  })

  test('a known caller that uploads slowly is waited for, and asked for the body where it waits to be', { timeout: 40_000 }, async () => {
    const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse' })
    const { text } = await conversation((socket) => {
      socket.write(
        `POST /v1/quotes HTTP/1.1\r\nhost: 127.0.0.1\r\n${AUTH}expect: 100-continue\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`,
      )
      socket.write(body.slice(0, 10))
      setTimeout(() => socket.write(body.slice(10)), 17_000)
    })
    expect(text).toMatch(/^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/)
  })
})

test('a connection that sends a hundred requests at once has the first of them answered, in order, and is closed', async () => {
  const requests = Array.from(
    { length: 100 },
    (_, at) => `GET /v1/nothing-${at} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${KEY}\r\n\r\n`,
  )
  const { text } = await conversation(requests.join(''))
  const answered = [...text.matchAll(/"detail":"There is no GET \/v1\/nothing-(\d+)/g)].map(([, at]) => Number(at))
  expect(answered).toEqual(Array.from({ length: 33 }, (_, at) => at))
  const few = await conversation((socket) => {
    socket.write(requests.slice(0, 20).join('') + 'GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n')
  })
  expect(few.text.match(/HTTP\/1\.1 404/g)).toHaveLength(20)
  expect(few.text).toContain('"status":"ok"')
})

const VERSION = 'sec-websocket-version: 13\r\n'
const NONCE = `sec-websocket-key: ${Buffer.alloc(16, 'k').toString('base64')}\r\n`
test.each([
  ['h2c', `upgrade: h2c\r\n${VERSION}${NONCE}`],
  ['another version', `upgrade: websocket\r\nsec-websocket-version: 7\r\n${NONCE}`],
  ['a nonce that is none', `upgrade: websocket\r\n${VERSION}sec-websocket-key: short\r\n`],
  ['a protocol without a name', `upgrade: websocket\r\n${VERSION}${NONCE}sec-websocket-protocol: ,,\r\n`],
])('an upgrade at /runware/v1 with %s is refused in Runware’s words', async (_name, headers) => {
  const { text } = await conversation(`GET /runware/v1 HTTP/1.1\r\nhost: x\r\n${AUTH}connection: upgrade\r\n${headers}\r\n`)
  const [head = '', body = ''] = text.split('\r\n\r\n', 2)
  expect(head).toMatch(/^HTTP\/1\.1 400 [^]*content-type: application\/json\r\n[^]*x-request-id: req_/)
  expect(JSON.parse(body)).toMatchObject({
    errors: [{ code: 'invalidRequest', message: expect.stringContaining('No WebSocket was opened') }],
  })
})
