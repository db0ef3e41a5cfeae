import { describe, expect, test } from 'vitest'
import { ClientError, createClient } from '../../src/client/client.ts'
import { fakeGateway, generation } from './fake-gateway.ts'

const failureOf = async (work: Promise<unknown>): Promise<ClientError> => {
  const error = await work.then(
    () => null,
    (error: unknown) => error,
  )
  if (error instanceof ClientError) return error
  throw new Error(`expected a ClientError, got ${String(error)}`)
}

describe('an answer that is no result', () => {
  test('a problem document becomes an error with its words and the fields it names', async () => {
    const problem = {
      type: 'about:blank',
      title: 'Invalid request',
      status: 400,
      detail: 'The request is invalid.',
      code: 'invalid_request',
      errors: [{ path: 'width', message: 'goes with height' }],
    }
    const { url } = await fakeGateway(() => ({ status: 400, body: problem }))
    const error = await failureOf(createClient({ url }).create({ model: 'big', prompt: 'x' }))
    expect(error.message).toBe('The request is invalid.\n  width: goes with height')
    expect([error.status, error.problem?.code]).toEqual([400, 'invalid_request'])
  })

  test.each([
    ['a page of HTML with 200', 200, '<html>'],
    ['a page of HTML with 502', 502, '<html>'],
    ['an empty body', 200, ''],
  ])('%s is reported as not an imagegate', async (_, status, body) => {
    const { url } = await fakeGateway(() => ({ status, body }))
    expect((await failureOf(createClient({ url }).models())).message).toBe(`${url} answered ${status}, not as an imagegate does`)
  })

  test('nothing there is reported with the address', async () => {
    expect((await failureOf(createClient({ url: 'http://127.0.0.1:1' }).models())).message).toMatch(
      /^no answer from http:\/\/127\.0\.0\.1:1: /,
    )
  })

  test('a create whose connection breaks is never sent again', async () => {
    const { url, heard } = await fakeGateway(() => null)
    expect((await failureOf(createClient({ url }).create({ model: 'big', prompt: 'x' }))).status).toBeNull()
    expect(heard).toHaveLength(1)
  })
})

describe('asking', () => {
  test('sends key, wait and idempotency key as headers, and the request as it is', async () => {
    const { url, heard } = await fakeGateway(() => ({ status: 202, body: generation({ status: 'running' }) }))
    await createClient({ url: `${url}/`, key: 'k' }).create({ model: 'big', prompt: 'x' }, { waitSeconds: 1.2, idempotencyKey: 'i' })
    expect(heard[0]).toMatchObject({
      method: 'POST',
      path: '/v1/generations',
      headers: { authorization: 'Bearer k', prefer: 'wait=2', 'idempotency-key': 'i' },
      body: { model: 'big', prompt: 'x' },
    })
  })

  test('lists by filters, metadata included', async () => {
    const { url, heard } = await fakeGateway(() => ({ body: { object: 'list', data: [], has_more: false, next_cursor: null } }))
    await createClient({ url }).list({ status: 'failed', limit: 5, metadata: { team: 'a b' } })
    expect(heard[0]?.path).toBe('/v1/generations?status=failed&limit=5&metadata.team=a+b')
  })

  test('an image is fetched where this client reaches the gateway, and without the key', async () => {
    const { url, heard } = await fakeGateway(() => ({ body: Buffer.from('bytes') }))
    const bytes = await createClient({ url, key: 'k' }).image({ url: 'https://public.example/v1/images/img_1.jpg' })
    expect(Buffer.from(bytes).toString()).toBe('bytes')
    expect(heard[0]?.path).toBe('/v1/images/img_1.jpg')
    expect(heard[0]?.headers.authorization).toBeUndefined()
  })
})

describe('waiting', () => {
  test('reports every state and ends with the last, over an answer that breaks on the way', async () => {
    const answers = [
      { body: generation({ status: 'queued' }) },
      null,
      { status: 503, body: '' },
      { body: generation({ status: 'running' }) },
      { body: generation() },
    ]
    const { url, heard } = await fakeGateway(() => answers.shift() ?? null)
    const states: string[] = []
    const last = await createClient({ url }).wait('gen_1', { onUpdate: ({ status }) => states.push(status) })
    expect([states, last.status, heard.length]).toEqual([['queued', 'running', 'succeeded'], 'succeeded', 5])
  })

  test('stops after its time with the state as it is', async () => {
    const { url } = await fakeGateway(() => ({ body: generation({ status: 'running' }) }))
    expect((await createClient({ url }).wait('gen_1', { timeoutMs: 0 })).status).toBe('running')
  })

  test('a refusal ends it at once', async () => {
    const { url, heard } = await fakeGateway(() => ({ status: 404, body: '{}' }))
    expect((await failureOf(createClient({ url }).wait('gen_1'))).status).toBe(404)
    expect(heard).toHaveLength(1)
  })
})
