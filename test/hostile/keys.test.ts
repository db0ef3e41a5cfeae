import { useRealSockets } from '../transport/real-sockets.ts'
import { spawn } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect as connectTo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Generation, GatewayKeyState, GatewayKeyWithSecret, ProviderState, Quote } from '#contract'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { connect } from '../http/compatible/mcp/clients.ts'
import { ROOT } from '../support/source-tree.ts'
import { openStorage, STORAGES } from '../support/storages.ts'
import type { Storage } from '../support/storages.ts'
import { BARE_ENVIRONMENT } from '../support/bare-environment.ts'

useRealSockets()

describe.each(STORAGES)('a gateway that keeps what it knows in %s', (name) => {
  const BOSS = 'key-of-boss'
  let storage: Storage
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-keys-'))
  const config = join(folder, 'imagegate.yaml')
  const configured = (...names: readonly string[]): void => configuredAs(...names.map((name) => ({ name })))
  function configuredAs(...others: readonly { readonly name: string; readonly scope?: string }[]): void {
    const keys = [{ name: 'boss', scope: 'admin' }, ...others].map(({ name, scope = 'write' }: (typeof others)[number]) => {
      const hash = createHash('sha256').update(`key-of-${name}`).digest('hex')
      return `{ name: ${name}, key_hash: ${hash}, scope: ${scope} }`
    })
    // Generations that never end keep their slots; few of them are BFL's, whose own limit is 24.
    const slots = '{ max_in_flight: 1000 }'
    const providers = `providers: { bfl: ${slots}, runware: ${slots}, vtrix: ${slots} }`
    writeFileSync(
      config,
      `${storage.configuration()}keys: [${keys.join(', ')}]\nmodels: { house-style: { model: flux-2-pro } }\n${providers}\n`,
    )
  }

  let server: ServerProcess
  beforeAll(async () => {
    storage = await openStorage(name)
    configured('filed')
    const environment = { ...storage.environment, IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: config }
    server = await startOverridden(environment, { providers: ['bfl', 'runware', 'vtrix'], sandboxTypicalMs: 20 })
  }, 60_000)
  afterAll(async () => {
    await server.kill('SIGKILL')
    storage.close()
    rmSync(folder, { recursive: true, force: true })
  })

  interface Asked {
    readonly body?: object
    readonly method?: string
    readonly headers?: Readonly<Record<string, string>>
  }
  const ask = (key: string, path: string, { body, headers, method = body ? 'POST' : 'GET' }: Asked = {}): Promise<Response> =>
    fetch(server.url + path, {
      method,
      headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(body ? { body: JSON.stringify(body) } : {}),
    })
  const read = async <T>(key: string, path: string, asked: Asked = {}): Promise<T> => (await (await ask(key, path, asked)).json()) as T
  const make = (body: object) => read<GatewayKeyWithSecret>(BOSS, '/v1/keys', { body })
  const listed = async (name: string): Promise<GatewayKeyState | undefined> =>
    (await read<{ data: GatewayKeyState[] }>(BOSS, '/v1/keys')).data.find((key) => key.name === name)

  interface Open {
    /** What came, once the stream has ended. */
    readonly events: Promise<string>
    /** The frames that came, once the connection is closed. */
    readonly frames: Promise<readonly string[]>
    /** How what waits for the end of a generation was answered. */
    readonly waits: Promise<readonly string[]>
  }

  /** Everything that waits for a generation that never ends. */
  function waitsFor(secret: string, id: string): Promise<readonly string[]> {
    const headers = { prefer: 'wait=600' }
    const image = { model: 'vtrix/flux-2-pro', prompt: 'sandbox:never', width: 256, height: 256 }
    const task = { taskType: 'imageInference', taskUUID: randomUUID(), model: 'bfl:5@1', positivePrompt: 'sandbox:never' }
    const sizes = { width: 512, height: 512 }
    const bare = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const byAgent = async (name: string, more: object): Promise<{ readonly status: string }> => {
      const given = { model: 'runware/flux-2-pro', prompt: 'sandbox:never', max_price_usd: 1, wait_seconds: 50, ...more }
      const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: given } }
      const answer = await ask(secret, '/mcp', { body, headers: { accept: 'application/json, text/event-stream' } })
      return { status: (await answer.text()).includes('unauthorized: ') ? '401' : 'another' }
    }
    const signedIn = JSON.stringify([
      { taskType: 'authentication', apiKey: secret },
      { ...task, ...sizes, taskUUID: randomUUID() },
    ])
    const asked: Readonly<Record<string, Promise<{ readonly status: number | string }>>> = {
      'a long poll': ask(secret, `/v1/generations/${id}`, { headers }),
      'a generation': ask(secret, '/v1/generations', { body: image, headers }),
      'a comparison': ask(secret, '/v1/comparisons', { body: { ...image, model: 'flux-2-pro', providers: ['runware'] }, headers }),
      'a generation of an agent': byAgent('generate', {}),
      'a comparison of an agent': byAgent('compare', { model: 'flux-2-pro', providers: ['runware'] }),
      'images of OpenAI': ask(secret, '/v1/images/generations', { body: { model: 'runware/flux-2-pro', prompt: 'sandbox:never' } }),
      'a task of Runware': ask(secret, '/runware/v1', { body: [{ ...task, ...sizes }] }),
      'a task that names its key': fetch(`${server.url}/runware/v1`, { ...bare, body: signedIn }),
    }
    return Promise.all(Object.entries(asked).map(async ([what, answer]) => `${what}: ${(await answer).status}`))
  }

  /** An event stream of a generation that never ends, and a WebSocket, both of this key. */
  async function openFor(secret: string): Promise<Open> {
    const body = { model: 'bfl/flux-2-pro', prompt: 'sandbox:never', width: 256, height: 256 }
    const { id } = await read<Generation>(secret, '/v1/generations', { body, headers: { prefer: 'respond-async' } })
    const stream = await ask(secret, `/v1/generations/${id}/events`)
    expect(stream.status).toBe(200)
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/runware/v1`)
    await new Promise((resolve) => socket.addEventListener('open', resolve))
    const frames: string[] = []
    const authenticated = new Promise((resolve) => socket.addEventListener('message', resolve, { once: true }))
    socket.addEventListener('message', ({ data }) => void frames.push(String(data)))
    const closed = new Promise((resolve) => socket.addEventListener('close', resolve))
    socket.send(JSON.stringify([{ taskType: 'authentication', apiKey: secret }]))
    await authenticated
    const waits = waitsFor(secret, id)
    // Each is on its way, and waits.
    await vi.waitFor(async () => expect((await read<{ data: unknown[] }>(secret, '/v1/generations')).data).toHaveLength(8), {
      timeout: 5_000,
    })
    return { events: stream.text(), frames: closed.then(() => frames), waits }
  }

  describe('an event stream, a WebSocket and what waits for a generation', () => {
    const ends: Readonly<Record<string, (secret: string, name: string) => Promise<unknown>>> = {
      'is revoked': (_, name) => ask(BOSS, `/v1/keys/${name}`, { method: 'DELETE' }),
      'is rotated without a grace': (_, name) => ask(BOSS, `/v1/keys/${name}/rotate`, { body: { grace_seconds: 0 } }),
      expires: async () => {},
      'leaves the configuration': async () => {
        configured()
        server.signal('SIGHUP')
      },
    }

    test.each(Object.entries(ends))('end where their key %s, and the key opens nothing any more', async (how, end) => {
      const name = how.replaceAll(' ', '-')
      const isFiled = how.includes('configuration')
      const expires = how === 'expires' ? { expires_at: new Date(Date.now() + 2_500).toISOString() } : {}
      const secret = isFiled ? 'key-of-filed' : (await make({ name, ...expires })).secret
      const { events, frames, waits } = await openFor(secret)
      await end(secret, name)
      for (const wait of await waits) expect(wait).toMatch(/: 401$/)
      expect(await events).toMatch(/event: queued/)
      expect(await events).not.toMatch(/event: (?:succeeded|failed|canceled)/)
      const said = await frames
      expect(said[0]).toContain('"authentication"')
      expect(said.at(-1)).toContain('invalidApiKey')
      expect((await ask(secret, '/v1/models')).status).toBe(401)
    })

    test('of another key end within a second where the key that reads them is admin no more', async () => {
      configuredAs({ name: 'auditor', scope: 'admin' })
      server.signal('SIGHUP')
      await vi.waitFor(async () => expect((await ask('key-of-auditor', '/v1/keys')).status).toBe(200), 30_000)
      const { secret } = await make({ name: 'watched' })
      const body = { model: 'vtrix/flux-2-pro', prompt: 'sandbox:never', width: 256, height: 256 }
      const asked = { body, headers: { prefer: 'respond-async' } }
      const [generation, comparison] = await Promise.all([
        read<Generation>(secret, '/v1/generations', asked),
        read<{ readonly id: string }>(secret, '/v1/comparisons', {
          ...asked,
          body: { ...body, model: 'flux-2-pro', providers: ['runware'] },
        }),
      ])
      const paths = [`/v1/generations/${generation.id}`, `/v1/comparisons/${comparison.id}`]
      const waits = paths.map((path) => ask('key-of-auditor', path, { headers: { prefer: 'wait=600' } }))
      const streams = await Promise.all(paths.map((path) => ask('key-of-auditor', `${path}/events`)))
      for (const { status } of streams) expect(status).toBe(200)
      // By now what was asked before has come.
      expect((await ask('key-of-auditor', '/v1/keys')).status).toBe(200)
      configuredAs({ name: 'auditor', scope: 'read' })
      server.signal('SIGHUP')
      expect((await Promise.all(waits)).map(({ status }) => status)).toEqual([401, 401])
      for (const stream of streams) expect(await stream.text()).not.toMatch(/event: (?:succeeded|failed|canceled)/)
      await ask(BOSS, '/v1/keys/watched', { method: 'DELETE' })
    })

    test('stay open through the grace of a rotation', async () => {
      const { secret } = await make({ name: 'graceful' })
      const open = await openFor(secret)
      let hasEnded = false
      void Promise.race([open.events, open.frames, open.waits]).then(() => (hasEnded = true))
      const next = await read<GatewayKeyWithSecret>(BOSS, '/v1/keys/graceful/rotate', { body: { grace_seconds: 60 } })
      for (const one of [secret, next.secret]) expect((await ask(one, '/v1/models')).status).toBe(200)
      expect(hasEnded).toBe(false)
      await ask(BOSS, '/v1/keys/graceful', { method: 'DELETE' })
      await Promise.all([open.events, open.frames, open.waits])
    })
  })

  describe('at a WebSocket where one key signs in after another', () => {
    interface Conversation {
      readonly frames: readonly string[]
      readonly closed: Promise<unknown>
      send(...tasks: readonly object[]): void
      /** Everything that was sent before has been answered, but for what waits. */
      answered(): Promise<void>
    }
    async function converse(secret: string | null): Promise<Conversation> {
      const headers: Record<string, string> = secret === null ? {} : { authorization: `Bearer ${secret}` }
      const socket = new WebSocket(`${server.url.replace('http', 'ws')}/runware/v1`, { headers })
      await new Promise((resolve) => socket.addEventListener('open', resolve))
      const frames: string[] = []
      socket.addEventListener('message', ({ data }) => void frames.push(String(data)))
      const send = (...tasks: readonly object[]): void => socket.send(JSON.stringify(tasks))
      return {
        frames,
        closed: new Promise((resolve) => socket.addEventListener('close', resolve)),
        send,
        async answered() {
          const before = frames.filter((frame) => frame.includes('"pong"')).length
          send({ taskType: 'ping', ping: true })
          await vi.waitFor(() => expect(frames.filter((frame) => frame.includes('"pong"'))).toHaveLength(before + 1), 20_000)
        },
      }
    }
    /** A client's frame of text with a mask of zeros. */
    function unmaskedText(tasks: readonly object[]): Buffer {
      const text = Buffer.from(JSON.stringify(tasks))
      const head = Buffer.from([0x81, 0x80 | 126, text.length >> 8, text.length & 0xff, 0, 0, 0, 0])
      return Buffer.concat([head, text])
    }
    const signIn = (apiKey: string) => ({ taskType: 'authentication', apiKey })
    const endless = () => {
      const taskUUID = randomUUID()
      return { taskType: 'imageInference', taskUUID, model: 'bfl:5@1', positivePrompt: 'sandbox:never', width: 512, height: 512 }
    }
    const revoke = (name: string) => ask(BOSS, `/v1/keys/${name}`, { method: 'DELETE' })

    test.each(['with its request', 'by a task'])(
      'a task ends with the key it was asked under, and with no other (the first %s)',
      async (how) => {
        const [first, second] = await Promise.all(['first', 'second'].map((name) => make({ name: `${name}-${how.replaceAll(' ', '-')}` })))
        const own = first?.secret ?? ''
        const connection = await converse(how === 'by a task' ? null : own)
        if (how === 'by a task') connection.send(signIn(own))
        await connection.answered()
        const [ofFirst, ofSecond] = [endless(), endless()]
        connection.send(ofFirst)
        await vi.waitFor(async () => expect((await read<{ data: unknown[] }>(own, '/v1/generations')).data).toHaveLength(1), 20_000)
        connection.send(signIn(second?.secret ?? ''), ofSecond)
        await vi.waitFor(
          async () => expect((await read<{ data: unknown[] }>(second?.secret ?? '', '/v1/generations')).data).toHaveLength(1),
          20_000,
        )
        await revoke(first?.name ?? '')
        await vi.waitFor(() => expect(connection.frames.join()).toContain(ofFirst.taskUUID), 20_000)
        await connection.answered()
        const errors = (): readonly string[] => connection.frames.filter((frame) => frame.includes('"errors"'))
        expect(errors()).toEqual([
          expect.stringMatching(new RegExp(`invalidApiKey.*${ofFirst.taskUUID}|${ofFirst.taskUUID}.*invalidApiKey`)),
        ])
        await revoke(second?.name ?? '')
        await connection.closed
        expect(errors().at(-1)).toContain('invalidApiKey')
      },
    )

    test('signing in again counts against the rate, and a stranger tries no more than a few keys', async () => {
      const { secret } = await make({ name: 'again', rate: { per_minute: 5 } })
      const connection = await converse(null)
      connection.send(...Array.from({ length: 20 }, () => signIn(secret)))
      await vi.waitFor(() => expect(connection.frames).toHaveLength(20), 20_000)
      const accepted = connection.frames.filter((frame) => frame.includes('"data"'))
      expect(accepted.length).toBeGreaterThan(0)
      expect(accepted.length).toBeLessThanOrEqual(5)
      const another = await converse(null)
      another.send(signIn(secret))
      await vi.waitFor(() => expect(another.frames.join()).toContain('"errors"'), 20_000)
      const stranger = await converse(null)
      stranger.send(...Array.from({ length: 90 }, (_, index) => signIn(`a-key-of-nobody-${index}`)))
      await stranger.closed
      expect(stranger.frames).toHaveLength(4)
    })

    test('signing in with another key than the one that came with the request counts against the rate of that other', async () => {
      const [{ secret }, opener] = await Promise.all([make({ name: 'used-up', rate: { per_minute: 5 } }), make({ name: 'opener' })])
      const before = await converse(null)
      before.send(...Array.from({ length: 8 }, () => signIn(secret)))
      await vi.waitFor(() => expect(before.frames).toHaveLength(8), 20_000)
      const connection = await converse(opener.secret)
      connection.send(signIn(secret))
      await vi.waitFor(() => expect(connection.frames).toHaveLength(1), 20_000)
      expect(connection.frames[0]).toContain('"errors"')
    })

    test('nothing of a message with a wrong key is begun, and each of its tasks is answered', async () => {
      const { secret } = await make({ name: 'beside-a-wrong-one' })
      const connection = await converse(secret)
      const tasks = [endless(), endless()] as const
      connection.send(signIn(secret), tasks[0], signIn('a-key-of-nobody-at-all'), tasks[1])
      await connection.closed
      for (const { taskUUID } of tasks) expect(connection.frames.find((frame) => frame.includes(taskUUID))).toContain('invalidApiKey')
      expect((await read<{ data: unknown[] }>(secret, '/v1/generations')).data).toHaveLength(0)
    })

    test('a connection that is being closed signs nobody in and begins nothing, though its client closes nothing', async () => {
      const [ending, other] = await Promise.all([make({ name: 'ending' }), make({ name: 'not-ending' })])
      const { hostname, port } = new URL(server.url)
      const socket = connectTo(Number(port), hostname)
      let came = Buffer.alloc(0)
      socket.on('data', (data: Buffer) => void (came = Buffer.concat([came, data])))
      const upgrade = ['connection: upgrade', 'upgrade: websocket', 'sec-websocket-version: 13', `sec-websocket-key: ${'A'.repeat(22)}==`]
      const head = ['GET /runware/v1 HTTP/1.1', `host: ${hostname}:${port}`, `authorization: Bearer ${ending.secret}`, ...upgrade]
      socket.write([...head, '', ''].join('\r\n'))
      await vi.waitFor(() => expect(came.toString('latin1')).toContain('\r\n\r\n'), 20_000)
      const beforeClose = came.length
      await revoke('ending')
      await vi.waitFor(() => expect(came.length).toBeGreaterThan(beforeClose), 20_000)
      socket.write(Buffer.concat([[signIn(other.secret)], [endless()]].map(unmaskedText)))
      await new Promise((resolve) => setTimeout(resolve, 500))
      socket.destroy()
      expect((await read<{ data: unknown[] }>(other.secret, '/v1/generations')).data).toHaveLength(0)
      const after = await converse(other.secret)
      after.send(endless())
      await vi.waitFor(async () => expect((await read<{ data: unknown[] }>(other.secret, '/v1/generations')).data).toHaveLength(1), 20_000)
      await Promise.all([revoke('not-ending'), after.closed])
    })
  })

  test('changes of keys that arrive at once are one after the other: one secret is of one key, and a revoked key stays revoked', async () => {
    const status = async (secret: string): Promise<number> => (await ask(secret, '/v1/key')).status
    const given = { secret: 'a-secret-of-my-own', scope: 'read' }
    const twins = await Promise.all(
      ['twin-a', 'twin-b'].map((name) => ask(BOSS, '/v1/keys', { body: { ...given, name, ...(name === 'twin-b' && { scope: 'admin' }) } })),
    )
    expect(twins.map((answer) => String(answer.status)).toSorted()).toEqual(['201', '409'])
    for (let round = 0; round < 8; round += 1) {
      const name = `raced-${round}`
      const { secret } = await make({ name })
      const rotate = () => ask(BOSS, `/v1/keys/${name}/rotate`, { body: { grace_seconds: 3_600 } })
      const revoke = () => ask(BOSS, `/v1/keys/${name}`, { method: 'DELETE' })
      const answers = await Promise.all(round % 2 === 0 ? [rotate(), revoke()] : [revoke(), rotate()])
      expect(answers.map((answer) => answer.status)).toContain(204)
      const secrets = [secret]
      for (const answer of answers) if (answer.status === 200) secrets.push(((await answer.json()) as GatewayKeyWithSecret).secret)
      for (const one of secrets) expect(await status(one)).toBe(401)
    }
  })

  test('the last key that counts stays, however many have expired: of two that are revoked at once one is left, and it can make others', async () => {
    const data = join(folder, 'last-keys')
    const environment = { IMAGEGATE_DATA: data, IMAGEGATE_CONFIG: join(folder, 'none.yaml') }
    writeFileSync(environment.IMAGEGATE_CONFIG, '{}\n')
    const own = await startOverridden(environment, { providers: ['bfl'] })
    const of = (key: string, path: string, body?: object, method = body ? 'POST' : 'GET'): Promise<Response> =>
      fetch(own.url + path, {
        method,
        headers: { authorization: `Bearer ${key}`, ...(body ? { 'content-type': 'application/json' } : {}) },
        ...(body ? { body: JSON.stringify(body) } : {}),
      })
    const made = async (by: string, body: object): Promise<string> =>
      ((await (await of(by, '/v1/keys', body)).json()) as GatewayKeyWithSecret).secret
    try {
      const one = await made('', { name: 'one', scope: 'admin' })
      for (let round = 0; round < 2; round += 1) {
        const expires = new Date(Date.now() + 1_000).toISOString()
        const brief = await made(one, { name: `brief-${round}`, expires_at: expires })
        const two = await made(one, { name: `two-${round}`, scope: 'admin' })
        await vi.waitFor(async () => expect((await of(brief, '/v1/key')).status).toBe(401), { timeout: 5_000, interval: 50 })
        const both = [`one`, `two-${round}`].map((name) => of(round % 2 === 0 ? one : two, `/v1/keys/${name}`, undefined, 'DELETE'))
        const answers = await Promise.all(both)
        const statuses = answers.map(({ status }) => status)
        // The second may come from a key that is gone by then.
        expect(
          statuses.filter((status) => status === 204),
          statuses.join(' '),
        ).toHaveLength(1)
        expect([409, 401]).toContain(statuses.find((status) => status !== 204))
        const left = (await of(one, '/v1/key')).status === 200 ? one : two
        const name = left === one ? 'one' : `two-${round}`
        const last = await of(left, `/v1/keys/${name}`, undefined, 'DELETE')
        expect([last.status, await last.text()]).toEqual([409, expect.stringContaining('is the last key that counts')])
        // An expired one is no key to keep.
        expect((await of(left, `/v1/keys/brief-${round}`, undefined, 'DELETE')).status).toBe(204)
        if (left === one) continue
        await made(left, { name: 'one', scope: 'admin' })
        break
      }
    } finally {
      await own.kill('SIGKILL')
    }
  })

  test('a key for one model and one provider sees and buys nothing else, on every API and in every list', async () => {
    const { secret } = await make({ name: 'narrow', models: ['flux-2-pro'], providers: ['vtrix'] })
    interface Listed {
      readonly id: string
      readonly offers: readonly { readonly provider: string }[]
    }
    const { data: models } = await read<{ data: Listed[] }>(secret, '/v1/models')
    expect(models.map(({ id, offers }) => [id, offers.map(({ provider }) => provider)])).toEqual([['flux-2-pro', ['vtrix']]])
    const { data: providers } = await read<{ data: ProviderState[] }>(secret, '/v1/providers')
    expect(providers.map((provider) => [provider.id, provider.models])).toEqual([['vtrix', ['flux-2-pro']]])
    const agent = await connect(server.url, secret)
    const ofAgents = (await agent.call('list_models')).text
    await agent.close()
    expect([ofAgents.includes('flux-2-pro'), ofAgents.includes('flux-2-flex'), /bfl|runware/i.test(ofAgents)]).toEqual([true, false, false])

    const request = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }
    const { offers } = await read<Quote>(secret, '/v1/quotes', { body: request })
    expect(offers.filter(({ eligible }) => eligible).map(({ provider }) => provider)).toEqual(['vtrix'])
    const refused = async (path: string, body: object): Promise<number> => (await ask(secret, path, { body })).status
    expect(await refused('/v1/generations', { ...request, model: 'flux-2-flex' })).toBe(404)
    expect(await refused('/v1/generations', { ...request, model: 'house-style' })).toBe(404)
    expect(await refused('/v1/generations', { ...request, model: 'bfl/flux-2-pro' })).toBe(422)
    expect(await refused('/v1/images/generations', { model: 'flux-2-flex', prompt: 'x' })).toBe(404)
    expect(await refused('/bfl/v1/flux-2-flex', { prompt: 'x' })).toBeGreaterThanOrEqual(400)
    // What is there and not for this key, and what is not there, are one answer.
    const answerTo = async (path: string, body: object, name: string): Promise<string> =>
      (await (await ask(secret, path, { body })).text()).replaceAll(name, '<name>')
    for (const path of ['/v1/generations', '/v1/quotes', '/v1/comparisons', '/v1/images/generations']) {
      const [hidden, absent] = await Promise.all(
        ['flux-1.1-pro', 'flux-9.9-pro'].map((model) => answerTo(path, { model, prompt: 'x' }, model)),
      )
      expect(hidden).toBe(absent)
    }
    const task = {
      taskType: 'imageInference',
      taskUUID: crypto.randomUUID(),
      model: 'bfl:6@1',
      positivePrompt: 'x',
      width: 1024,
      height: 1024,
    }
    expect(await refused('/runware/v1', [task])).toBeGreaterThanOrEqual(400)
    expect((await read<{ data: unknown[] }>(secret, '/v1/generations')).data).toEqual([])

    const bought = await read<Generation>(secret, '/v1/generations', { body: request })
    expect([bought.status, bought.provider]).toEqual(['succeeded', 'vtrix'])
    expect((await listed('narrow'))?.last_used_at).toMatch(/^\d{4}-/)
  })

  test('each image at each provider counts against the rate of its key, and what does not fit buys and counts nothing', async () => {
    const { secret } = await make({ name: 'counted', rate: { per_minute: 12 } })
    const request = { model: 'flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }
    const sent = async (path: string, body: object): Promise<readonly [number, string | null]> => {
      const answer = await ask(secret, path, { body })
      await answer.text()
      return [answer.status, answer.headers.get('retry-after')]
    }
    const left = async (): Promise<number> =>
      Number(/"key";r=(\d+)/.exec((await ask(secret, '/v1/models')).headers.get('ratelimit') ?? '')?.[1])

    const compared = async (): Promise<number> => (await read<{ data: unknown[] }>(BOSS, '/v1/comparisons')).data.length
    const before = await compared()
    expect(await sent('/v1/generations', { ...request, n: 13 })).toEqual([429, null])
    expect(await left()).toBe(10)
    expect(await sent('/v1/comparisons', { ...request, providers: ['bfl', 'runware', 'vtrix'] })).toEqual([200, null])
    expect(await left()).toBe(6)
    expect(await sent('/v1/images/generations', { model: 'flux-2-pro', prompt: 'x', n: 3 })).toEqual([200, null])
    expect(await left()).toBe(2)
    const late = await sent('/v1/comparisons', { ...request, n: 2, providers: ['bfl', 'runware'] })
    expect(late).toEqual([429, expect.stringMatching(/^\d+$/)])
    expect(await left()).toBe(0)
    expect(await compared()).toBe(before + 1)
  })

  /** As it is typed in a shell. */
  function imagegate(...args: readonly string[]): Promise<{ readonly code: number | null; readonly out: string; readonly error: string }> {
    const env = { ...BARE_ENVIRONMENT, IMAGEGATE_URL: server.url, IMAGEGATE_KEY: BOSS, IMAGEGATE_CONFIG: '' }
    const child = spawn(process.execPath, ['bin/imagegate.mjs', ...args], { cwd: ROOT, env })
    let [out, error] = ['', '']
    child.stdout.on('data', (part) => (out += String(part)))
    child.stderr.on('data', (part) => (error += String(part)))
    return new Promise((resolve) => void child.once('close', (code) => resolve({ code, out, error })))
  }

  test('imagegate keys, as it is typed, makes and rotates keys of a running gateway that count at once', { timeout: 60_000 }, async () => {
    const { secret: before } = await make({ name: 'team-c' })
    const typed = [
      ['create', 'team-b', '--scope', 'write', '--budget-usd', '50', '--rate', '60'],
      ['rotate', 'team-c', '--grace', '0', '--json'],
    ]
    const [made, rotated] = await Promise.all(typed.map((args) => imagegate('keys', ...args)))
    expect([made?.code, made?.error, rotated?.code]).toEqual([0, '', 0])
    const first = made?.out.split('\n')[0] ?? ''
    const { secret: second } = JSON.parse(rotated?.out ?? '') as GatewayKeyWithSecret
    expect(await listed('team-b')).toMatchObject({ scope: 'write', budget_usd: '50', rate: { per_minute: 60 } })
    const statuses = await Promise.all([first, before, second].map(async (secret) => (await ask(secret, '/v1/models')).status))
    expect(statuses).toEqual([200, 401, 200])
    expect(server.said()).not.toMatch(new RegExp(`${first}|${second}`))
  })
})
