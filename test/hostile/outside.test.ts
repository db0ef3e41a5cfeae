import { createHash } from 'node:crypto'
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Comparison, Generation } from '#contract'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { ROUTES } from '../http/access/route-table.ts'
import { ROOT } from '../support/source-tree.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { closeClient, send } from './client.ts'
import { pipelined } from './pipelined.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

useRealSockets()
const folder = mkdtempSync(join(tmpdir(), 'imagegate-outside-'))
const disk = join(folder, 'disk')
const isRoot = process.getuid?.() === 0
afterAll(() => {
  closeClient()
  if (isRoot) spawnSync('umount', [disk])
  rmSync(folder, { recursive: true, force: true })
})

const NOBODY = 65_534

interface Refused {
  readonly code: number | null
  readonly out: string
  readonly error: string
}

/** A start that is refused. */
function start(environment: Readonly<Record<string, string>>, uid?: number, limits = 'true'): Promise<Refused> {
  const env = { ...BARE_ENVIRONMENT, PORT: '0', BFL_API_KEY: 'a-key-of-outside', IMAGEGATE_CONFIG: '', ...environment }
  const args = ['-c', `${limits}; exec "$0" "$@"`, process.execPath, 'bin/gateway.mjs']
  const child = spawn('sh', args, { cwd: ROOT, env, ...(uid === undefined ? {} : { uid }), timeout: 110_000 })
  let out = ''
  let error = ''
  child.stdout.on('data', (part) => (out += String(part)))
  child.stderr.on('data', (part) => (error += String(part)))
  return new Promise((resolve) => void child.once('close', (code) => resolve({ code, out, error })))
}

/** A small disk of its own, with no byte left on it. */
function fullDisk(): string {
  mkdirSync(disk)
  expect(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', disk]).status).toBe(0)
  mkdirSync(join(disk, 'data'))
  spawnSync('sh', ['-c', `cat /dev/zero > ${join(disk, 'rest')}`])
  return join(disk, 'data')
}

function file(name: string, text: string): string {
  const path = join(folder, name)
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(path, text)
  return path
}

// Only an administrator can mount a disk, and become another user.
describe.skipIf(!isRoot)('a process that cannot start', () => {
  const starts: Record<string, () => Promise<Refused>> = {
    'with a damaged database': () => {
      const data = join(file('damaged/imagegate.db', 'no database at all, whatever its name says'.repeat(200)), '..')
      return start({ IMAGEGATE_DATA: data })
    },
    'with a configuration that its user cannot read': () => {
      const config = file('unreadable/imagegate.yaml', 'keys: []\n')
      chmodSync(config, 0o600)
      chmodSync(folder, 0o755)
      chmodSync(join(config, '..'), 0o755)
      return start({ IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'none') }, NOBODY)
    },
    'with the data folder of another user': () => {
      const data = join(file('theirs/x', ''), '..')
      chownSync(data, NOBODY - 1, NOBODY - 1)
      chmodSync(data, 0o700)
      return start({ IMAGEGATE_DATA: data }, NOBODY)
    },
    'with a full disk': () => start({ IMAGEGATE_DATA: fullDisk() }),
    'of a sandbox that may write no file': () =>
      start({ IMAGEGATE_DATA: join(folder, 'unwritten'), BFL_API_KEY: '' }, undefined, 'ulimit -f 0'),
    'with a key whose variable is not set, on every address': () => {
      const config = file('empty/imagegate.yaml', 'keys: [{ name: a, key_hash: "${TEAM_KEY_HASH}" }]\n')
      return start({ IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'none'), HOST: '0.0.0.0' })
    },
    'with the hash of nothing as a key': () => {
      const config = file('nothing/imagegate.yaml', `keys: [{ name: a, key_hash: ${createHash('sha256').digest('hex')} }]\n`)
      return start({ IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'none') })
    },
    'with a configuration that is nested too deeply': () => {
      const config = file('deep/imagegate.yaml', `keys: ${'['.repeat(20_000)}\n`)
      return start({ IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'none') })
    },
    'without keys, on every address': () => start({ HOST: '0.0.0.0', IMAGEGATE_DATA: join(folder, 'none') }),
  }
  const words: Readonly<Record<keyof typeof starts, RegExp>> = {
    'with a damaged database': /damaged: the database file is damaged; restore it from a backup/,
    'with a configuration that its user cannot read': /imagegate\.yaml: the configuration file cannot be read \(EACCES\)/,
    'with the data folder of another user': /it belongs to user 65533 and this process runs as user 65534/,
    'with a full disk': /disk\/data.*the disk.* is full.*; free some space/,
    'of a sandbox that may write no file': /larger than this process may write \(EFBIG\); raise the limit with ulimit -f/,
    'with a key whose variable is not set, on every address': /TEAM_KEY_HASH/,
    'with the hash of nothing as a key': /keys\.0\.key_hash.*empty/,
    'with a configuration that is nested too deeply': /^[^\n]+\n[^\n]*the file is nested too deeply[^\n]*\n$/,
    'without keys, on every address': /HOST.*keys/s,
  }

  test('says what is wrong and what to do, each in one sentence, without a stack, and exits with 1', { timeout: 120_000 }, async () => {
    const ends = await Promise.all(Object.entries(starts).map(async ([what, begin]) => ({ what, ...(await begin()) })))
    for (const { what, code, out, error } of ends) {
      expect([what, code, out]).toEqual([what, 1, ''])
      expect(error, what).toMatch(/^imagegate cannot start:\n(?:[^\n]+\n)+$/)
      expect(error, what).not.toMatch(/\n\s+at |node:internal/)
      expect(error, what).toMatch(words[what] ?? /$^/)
    }
  })
})

const hash = (key: string): string => createHash('sha256').update(key).digest('hex')
const PIXELS = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }

async function ask(server: ServerProcess, key: string, path: string, body?: object): Promise<{ status: number; body: unknown }> {
  const headers = ['authorization', `Bearer ${key}`, ...(body ? ['content-type', 'application/json'] : [])]
  const sent = { method: body ? 'POST' : 'GET', path, headers, body: body ? Buffer.from(JSON.stringify(body)) : null }
  const received = await send(server.url, sent)
  return { status: received.status, body: JSON.parse(received.body.toString()) as unknown }
}

describe('a process with keys', () => {
  let server: ServerProcess
  let theirs: Generation
  beforeAll(async () => {
    const names = ['a', 'b', 'boss'].map((name) => `{ name: ${name}, key_hash: ${hash(`key-of-${name}`)}, admin: ${name === 'boss'} }`)
    const config = file('keyed/imagegate.yaml', `keys: [${names.join(', ')}]\n`)
    server = await startOverridden({ IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'keyed/data') }, { sandboxTypicalMs: 20 })
    theirs = (await ask(server, 'key-of-a', '/v1/generations', PIXELS)).body as Generation
  }, 60_000)
  afterAll(() => server.kill('SIGKILL'))

  test('leaves its port and its data folder to no second process, which says so in a sentence each and exits with 1', async () => {
    const { port } = new URL(server.url)
    const [onPort, onData] = await Promise.all([
      start({ IMAGEGATE_DATA: join(folder, 'second'), PORT: port }),
      start({ IMAGEGATE_DATA: join(folder, 'keyed/data'), BFL_API_KEY: '' }),
    ])
    expect([onPort.code, onPort.error]).toEqual([
      1,
      expect.stringMatching(/^imagegate cannot start:\nanother process listens on this address [^\n]*PORT[^\n]*\n$/),
    ])
    expect([onData.code, onData.error]).toEqual([
      1,
      expect.stringMatching(/^imagegate cannot start:\n[^\n]*another imagegate process is using the data folder[^\n]*\n$/),
    ])
  })

  test('answers another key’s generation, image and comparison, however it is named, as one that is not there', async () => {
    const image = theirs.images[0]?.id ?? ''
    const { id: comparison } = (await ask(server, 'key-of-a', '/v1/comparisons', PIXELS)).body as Comparison
    const pairs: readonly (readonly [string, string, object?])[] = [
      [`/v1/generations/${theirs.id}`, theirs.id],
      [`/v1/generations/${theirs.id}/events`, theirs.id],
      [`/v1/generations/${theirs.id}/attempts/1/calls`, theirs.id],
      [`/v1/generations/${theirs.id}/cancel`, theirs.id, {}],
      [`/v1/comparisons/${comparison}`, comparison],
      [`/v1/images/${image}`, image],
      [`/bfl/v1/get_result?id=${theirs.id}`, theirs.id],
      ['/v1/quotes', image, { ...PIXELS, reference_images: [{ image }] }],
      ['/v1/generations', image, { ...PIXELS, reference_images: [{ image }] }],
      ['/v1/comparisons', image, { ...PIXELS, reference_images: [{ image }] }],
    ]
    for (const [path, id, body] of pairs) {
      const none = id.replace(/.{8}$/, '00000000')
      const of = async (named: string): Promise<string> => {
        const answer = await ask(
          server,
          'key-of-b',
          path.replace(id, named),
          body && JSON.parse(JSON.stringify(body).replaceAll(id, named)),
        )
        return JSON.stringify(answer).replaceAll(named, '<id>')
      }
      expect([path, await of(id)]).toEqual([path, await of(none)])
      expect(await of(id)).not.toContain('"status":200')
    }
  })

  test('serves an image by its signed link alone, as what it is and to be shown only, and neither a bare nor a changed one', async () => {
    const { pathname, search } = new URL(theirs.images[0]?.url ?? '')
    const get = (path: string) => send(server.url, { method: 'GET', path, headers: [], body: null })
    const image = await get(`${pathname}${search}`)
    expect([image.status, image.type]).toEqual([200, `image/${theirs.images[0]?.format}`])
    expect(image.headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'content-security-policy': "default-src 'none'; sandbox" })
    for (const path of [pathname, `${pathname}${search.slice(0, -2)}`, `${pathname}${search.replace('expires=1', 'expires=2')}`])
      expect((await get(path)).status).toBe(401)
  })

  test('makes, rotates and takes back keys while it runs, and takes no hash for a key', async () => {
    const made = await ask(server, 'key-of-boss', '/v1/keys', { name: 'c', scope: 'read' })
    const { secret } = made.body as { secret: string }
    expect((await ask(server, secret, '/v1/models')).status).toBe(200)
    expect((await ask(server, secret, '/v1/generations', PIXELS)).status).toBe(403)
    expect((await ask(server, 'key-of-a', '/v1/keys', { name: 'd' })).status).toBe(403)
    const { body: next } = await ask(server, 'key-of-boss', '/v1/keys/c/rotate', { grace_seconds: 0 })
    const { secret: second } = next as { secret: string }
    for (const none of [secret, hash('key-of-a'), hash(secret), hash(second), ''])
      expect((await ask(server, none, '/v1/models')).status).toBe(401)
    const revoked = await send(server.url, {
      method: 'DELETE',
      path: '/v1/keys/c',
      headers: ['authorization', 'Bearer key-of-boss'],
      body: null,
    })
    expect([revoked.status, (await ask(server, second, '/v1/models')).status]).toEqual([204, 401])
    expect(server.said()).not.toContain(secret)
  })
})

/** RFC 4180: quoted cells may hold the ends of lines. */
const cellsOf = (csv: string): readonly (readonly string[])[] =>
  (csv.match(/(?:"(?:[^"]|"")*"|[^"\r\n])*\r\n/g) ?? []).map((line) =>
    [...line.slice(0, -2).matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].map(
      ([, quoted, plain = '']) => quoted?.replaceAll('""', '"') ?? plain,
    ),
  )

function isJson(line: string): boolean {
  try {
    JSON.parse(line)
    return true
  } catch {
    return false
  }
}

const UPGRADE = 'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n'

describe('a process without keys', () => {
  let server: ServerProcess
  beforeAll(async () => {
    server = await startOverridden({ IMAGEGATE_DATA: join(folder, 'keyless') }, { sandboxTypicalMs: 20 })
  }, 60_000)
  afterAll(() => server.kill('SIGKILL'))

  test('sells nothing, and opens no WebSocket, to a web page elsewhere, by fetch, by a form or through a name that leads here', async () => {
    const { host } = new URL(server.url)
    const form = 'model=flux-2-pro&prompt=stolen'
    const json = JSON.stringify(PIXELS)
    const strangers = [
      ['host', host, 'origin', 'https://evil.example'],
      ['host', host, 'origin', 'null'],
      ['host', host, 'origin', 'http://127.0.0.1:1'],
      ['host', 'evil.example'],
      ['host', `evil.example:${new URL(server.url).port}`, 'origin', 'http://evil.example'],
    ]
    for (const stranger of strangers) {
      for (const path of ['/v1/generations', '/v1/images/generations', '/bfl/v1/flux-2-pro', '/runware/v1', '/mcp']) {
        for (const [type, body] of [
          ['application/json', json],
          ['text/plain', json],
          ['application/x-www-form-urlencoded', form],
        ] as const) {
          const headers = [...stranger, 'content-type', type]
          const { status } = await send(server.url, { method: 'POST', path, headers, body: Buffer.from(body) })
          expect([stranger, path, type, status]).toEqual([stranger, path, type, 403])
        }
      }
      const fields = stranger.map((text, index) => (index % 2 === 0 ? `${text}: ` : `${text}\r\n`)).join('')
      const [answer] = await pipelined(server.url, [Buffer.from(`GET /runware/v1 HTTP/1.1\r\n${fields}${UPGRADE}\r\n`)])
      expect([stranger, answer?.status]).toEqual([stranger, 403])
    }
    const { data } = (await ask(server, '', '/v1/generations')).body as { data: readonly Generation[] }
    expect(data).toEqual([])
  })

  test('is open to no page elsewhere on any route, for no verb and no preflight', async () => {
    const wrong: string[] = []
    const allowing = ['access-control-allow-origin', 'access-control-allow-credentials']
    for (const route of Object.keys(ROUTES)) {
      const [method = '', pattern = ''] = route.split(' ')
      const path = pattern.replace('*', '/x').replaceAll(/:\w+/g, 'x')
      const asked = ['access-control-request-method', method, 'access-control-request-headers', 'content-type']
      const answers = await Promise.all([
        send(server.url, { method, path, headers: ['origin', 'https://evil.example'], body: null }),
        send(server.url, { method, path, headers: ['host', 'evil.example'], body: null }),
        send(server.url, { method: 'OPTIONS', path, headers: ['origin', 'https://evil.example', ...asked], body: null }),
      ])
      const isClosed = answers.every(
        ({ status, headers }, index) => (index === 2 || status === 403) && !allowing.some((name) => name in headers),
      )
      if (!isClosed) wrong.push(`${route}: ${answers.map(({ status }) => status).join(' ')}`)
    }
    expect(wrong).toEqual([])
  })

  test('writes nothing into its log that a terminal would obey, or that would be a line of its own', async () => {
    const forged = '{"level":60,"msg":"forged"}'
    const texts = [`a\r\n${forged}\n`, '\u001b[2J\u001b]0;forged\u0007', '\u009b31m', '\u2028\u2029', '\u0000\b\u007f']
    for (const text of texts) {
      const body = { ...PIXELS, prompt: `a${text}b`, metadata: { note: text } }
      await ask(server, '', '/v1/generations', body)
      await ask(server, '', '/v1/generations', { ...body, webhook: { url: `https://x.example/${text}` } })
      await ask(server, '', '/v1/generations', { ...PIXELS, model: text })
      await ask(server, '', `/v1/generations/${encodeURIComponent(text)}?cursor=${encodeURIComponent(text)}`)
    }
    for (const raw of ['x-request-id: a\u001b[2J', `user-agent: \u009b31m${forged}`, 'referer: \u0085x', 'x-forwarded-for: \u001b'])
      await pipelined(server.url, [Buffer.from(`GET /v1/nothing%0d%0a%1b HTTP/1.1\r\nhost: 127.0.0.1\r\n${raw}\r\n\r\n`, 'latin1')])
    const lines = server.said().trimEnd().split('\n')
    const odd = lines.filter((line) => /[\p{Cc}\u2028\u2029]/u.test(line) || line === forged || (line.startsWith('{') && !isJson(line)))
    expect(odd).toEqual([])
    expect(lines.some((line) => line.includes('"generation"'))).toBe(true)
  })

  test('exports costs in which no text is a formula, and each amount is a number', async () => {
    const formulas = ['=cmd|" /C calc"!A0', '+1+1', '-2+3', '@SUM(1)', '\t=1', '\r=1', ' =1']
    for (const [index, text] of formulas.entries()) {
      await ask(server, '', '/v1/generations', { ...PIXELS, prompt: `formula ${index}`, metadata: { cell: text } })
    }
    const { body } = await send(server.url, { method: 'GET', path: '/v1/costs?format=csv&group_by=metadata.cell', headers: [], body: null })
    const [header = [], ...rows] = cellsOf(body.toString())
    const column = (name: string): readonly string[] => rows.map((row) => row[header.indexOf(name)] ?? '')
    const shown = column('metadata.cell').filter((cell) => cell !== '')
    expect(shown).toHaveLength(formulas.length)
    for (const cell of shown) expect(cell).toMatch(/^'\s*'?[=+\-@]/)
    for (const cell of column('amount_usd')) expect(cell).toMatch(/^\d+(\.\d+)?$/)
  })

  test('answers a callback that is forged and one of nobody with one and the same answer', async () => {
    const { id } = (await ask(server, '', '/v1/generations', PIXELS)).body as Generation
    const paths = [`/v1/hooks/bfl/${id}.forged`, '/v1/hooks/bfl/nobody', '/v1/hooks/bfl/gen_0.x', '/v1/hooks/nobody/x.y']
    const answers = await Promise.all(
      paths.map(async (path) => {
        const { status, body } = await send(server.url, {
          method: 'POST',
          path,
          headers: ['content-type', 'application/json'],
          body: Buffer.from('{}'),
        })
        return `${status} ${body.toString()}`
      }),
    )
    expect(new Set(answers).size).toBe(1)
    expect(answers[0]).toMatch(/^404 /)
  })
})
