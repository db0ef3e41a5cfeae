import nock from 'nock'
import { expect, it, onTestFinished } from 'vitest'
import { createTransport } from '../../src/transport/index.ts'
import { API_KEY, providerAt } from './loopback.ts'

it('send talks to a mocked vendor as to a real one', async () => {
  nock('https://api.vendor.test').post('/v1/x', { prompt: 'cat' }).matchHeader('x-key', API_KEY).reply(402, { error: 'credits' })
  const transport = createTransport({ providers: [providerAt('https://api.vendor.test')], allow: [] })
  onTestFinished(() => transport.close())
  const sent = await transport.send('acme', { purpose: 'submit', method: 'POST', url: '/v1/x', body: { prompt: 'cat' } }, 1_000)
  expect(sent).toMatchObject({ kind: 'reply', reply: { status: 402, body: { error: 'credits' } } })
})

it('download talks to a mocked host as to a real one', async () => {
  nock('http://images.example').get('/cat.png').reply(200, 'image', { 'content-type': 'image/png' })
  const transport = createTransport({ providers: [], allow: [] })
  onTestFinished(() => transport.close())
  const downloaded = await transport.download('http://images.example/cat.png', { maxBytes: 100, silenceMs: 1_000 })
  expect(downloaded).toMatchObject({ kind: 'body', contentType: 'image/png' })
  if (downloaded.kind === 'body') expect(String(await downloaded.stream.toArray())).toBe('image')
})
