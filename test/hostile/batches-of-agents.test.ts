import { expect, test } from 'vitest'
import { gatewayWith } from '../support/for-one-test.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const call = (id: number | string, prompt: string) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name: 'generate', arguments: { model: 'flux-2-pro', prompt, width: 256, height: 256, max_price_usd: '0.50' } },
})
const cancelOf = (requestId: number) => ({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } })

async function sandbox() {
  const { url } = await gatewayWith('')
  return {
    send: (messages: readonly object[]) =>
      fetch(`${url}/mcp`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          'mcp-protocol-version': '2025-03-26',
        },
        body: JSON.stringify(messages),
        signal: AbortSignal.timeout(20_000),
      }),
    bought: async () => ((await (await fetch(`${url}/v1/generations`)).json()) as { readonly data: readonly object[] }).data.length,
  }
}

/** The ids that were answered with an image. */
const answered = (events: string): ReadonlySet<unknown> => {
  const ids = events
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)) as { readonly id: unknown; readonly result?: { readonly structuredContent?: unknown } })
    .filter(({ result }) => result?.structuredContent !== undefined)
    .map(({ id }) => id)
  return new Set(ids)
}

test('two calls of a batch with one id buy nothing, and 1 and "1" are two ids', async () => {
  const { send, bought } = await sandbox()
  const refused = await send([call(1, 'a tree'), call(1, 'a lake')])
  expect({ status: refused.status, bought: await bought() }).toEqual({ status: 400, bought: 0 })
  expect(await refused.text()).toContain('each call of a batch has an id of its own')
  const taken = await send([call(1, 'a tree'), call('1', 'a lake')])
  expect(answered(await taken.text())).toEqual(new Set([1, '1']))
  expect(await bought()).toBe(2)
})

test('a purchase whose cancel comes in the same batch is answered, and the answer ends', async () => {
  const { send, bought } = await sandbox()
  const reply = await send([call(5, 'a tree'), cancelOf(5)])
  expect(answered(await reply.text())).toEqual(new Set([5]))
  expect(await bought()).toBe(1)
  expect((await send([cancelOf(5)])).status).toBe(202)
})
