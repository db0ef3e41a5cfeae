import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startProcess, type ServerProcess } from '../crash/process.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour, type Neighbour } from '../support/neighbour.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const KEY = 'a-key-of-the-long-runs'
let folder: string
let vendor: Server
let reply = '{}'
let server: ServerProcess
let neighbour: Neighbour
beforeAll(async () => {
  vendor = createServer((request, response) => {
    request.resume().once('end', () => response.setHeader('content-type', 'application/json').end(reply))
  }).listen(0, '127.0.0.1')
  await once(vendor, 'listening')
  folder = mkdtempSync(join(tmpdir(), 'imagegate-runs-'))
  const url = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`
  const providers = ['bfl', 'runware', 'openai'].map((id) => `${id}: { api_key: a-vendor-key-0123, base_url: "${url}" }`).join(', ')
  const key = `{ name: team, admin: true, key_hash: ${createHash('sha256').update(KEY).digest('hex')} }`
  writeFileSync(join(folder, 'imagegate.yaml'), `keys: [${key}]\nbreaker: { faults: 1000 }\nproviders: { ${providers} }\n`)
  server = await startProcess({ IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') })
  neighbour = await startNeighbour(server)
}, 60_000)
afterAll(async () => {
  neighbour.end()
  await server.kill('SIGKILL')
  vendor.close()
  rmSync(folder, { recursive: true, force: true })
})

/** What something that begins anew at each character would need hours for. */
const CHARACTERS = 120_000
/** What stops the gateway once stops it each time; processes of other tests do not. */
const TRIES = 8
const AUTH = { authorization: `Bearer ${KEY}` }
const post = async (path: string, body: string | FormData, headers: Readonly<Record<string, string>> = AUTH): Promise<number> => {
  const typed = typeof body === 'string' ? { 'content-type': 'application/json' } : {}
  const answer = await fetch(server.url + path, {
    method: 'POST',
    headers: { ...typed, accept: 'application/json, text/event-stream', ...headers },
    body,
  })
  await answer.text()
  return answer.status
}
const expectNoStop = async (attack: () => Promise<unknown>): Promise<void> => {
  const stops = await leastStop(neighbour, attack, TRIES)
  expect(stops.failed).toBe(0)
  expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
}

const number = `3.${'0'.repeat(CHARACTERS)}1`
const HEAD = 'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA'
const quote = (more: string): string => `{"model":"flux-2-pro","prompt":"a",${more}}`
const form = (name: string, value: string): FormData => {
  const data = new FormData()
  data.set('image', new Blob([Buffer.from(HEAD.slice(22), 'base64')], { type: 'image/png' }), 'a.png')
  data.set('prompt', 'a')
  data.set(name, value)
  return data
}
const many = (of: (index: number) => string, count = 4_900): string => Array.from({ length: count }, (_, index) => of(index)).join(',')
const manyImages = (text: string): FormData => {
  const data = form('n', '1')
  for (let count = 0; count < 15; count += 1) data.append('image[]', text)
  return data
}
const invoice = (text: string, type = 'text/csv') => post('/v1/reconciliations', text, { ...AUTH, 'content-type': type })
const numbers = many((index) => String(4_000_000_000 + 7 * index), 198)
const longNames = many((index) => `"${String(index).padEnd(110, 'width')}":1`)

test.each<[string, () => Promise<unknown>]>([
  ['zeros in a number', () => post('/v1/quotes', quote(`"seed":${number}`))],
  [
    'zeros in a number of a stranger',
    () => post('/runware/v1', `[{"taskType":"authentication","apiKey":${number.slice(0, 60_000)}1}]`, {}),
  ],
  ['zeros in a number of BFL’s API', () => post('/bfl/v1/flux-2-pro', `{"prompt":"a","seed":${number}}`)],
  ['zeros in a number of OpenAI’s API', () => post('/v1/images/generations', `{"prompt":"a","n":${number}}`)],
  ['zeros in a number of MCP', () => post('/mcp', `{"jsonrpc":"2.0","id":${number},"method":"ping"}`)],
  [
    'padding inside base64',
    () => post('/v1/quotes', quote(`"reference_images":["${HEAD}${'='.repeat(60_000)}A","${HEAD}${'='.repeat(60_001)}A"]`)),
  ],
  [
    'padding inside base64 of BFL’s API',
    () => post('/bfl/v1/flux-2-pro', `{"prompt":"a","input_image":"${HEAD.slice(22)}${'='.repeat(CHARACTERS)}A"}`),
  ],
  ['padding inside base64 of a form', () => post('/v1/images/edits', form('image[]', `${HEAD}${'='.repeat(CHARACTERS)}A`))],
  ['unknown fields with long names', () => post('/v1/quotes', quote(longNames))],
  ['unknown fields of OpenAI’s API', () => post('/v1/images/generations', `{"prompt":"a",${longNames}}`)],
  [
    'unknown fields of MCP',
    () => post('/mcp', `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"quote","arguments":${quote(longNames)}}}`),
  ],
  [
    'wrong events of a webhook',
    () => post('/v1/quotes', quote(`"webhook":{"url":"https://example.com","events":[${many(() => '"no"')}]}`)),
  ],
  ['options of unknown providers', () => post('/v1/quotes', quote(`"provider_options":{${longNames}}`))],
  ['unknown options', () => post('/v1/quotes', quote(`"provider_options":{"runware":{${longNames}}}`))],
  ['metadata of a form', () => post('/v1/images/edits', form('metadata', `{${many((index) => `"k${index}":"v"`, 80_000)}}`))],
  ['texts of a form that are images', () => post('/v1/images/edits', manyImages('data:image/png,' + '%41'.repeat(330_000)))],
  ['shorter texts of a form that are images', () => post('/v1/images/edits', manyImages('data:image/png,' + '%41'.repeat(1_300)))],
  [
    'percent-encodings',
    () => post('/v1/quotes', quote(`"reference_images":[${many(() => `"data:image/png,${'%41'.repeat(20_000)}"`, 16)}]`)),
  ],
  [
    'unknown events',
    () => post('/v1/quotes', quote(`"webhook":{"url":"https://x.example","events":[${many((index) => `"generation.faild${index}"`)}]}`)),
  ],
  ['columns of an invoice', () => invoice(`${'a,'.repeat(30_000)}provider_task_id,amount\n${'x\n'.repeat(30_000)}`)],
  ['commas of an invoice', () => invoice(`provider_task_id,amount\n${','.repeat(7_000_000)}`)],
  ['quotes of an invoice', () => invoice(`provider_task_id,amount\n"${'"'.repeat(8_000_000)}`)],
  ['a field of an invoice that is never closed', () => invoice(`task_id,amount\n"${'a\n'.repeat(7_500_000)}`)],
  ['long lines of an invoice', () => invoice(`task_id,amount\n${`${'x'.repeat(16_000)},1\n`.repeat(1_000)}`)],
  ['empty lines of an invoice', () => invoice(`task_id,amount\n${'\n'.repeat(4_000_000)}`)],
  ['empty lines of an invoice in JSON', () => invoice(`{"id":"a","amount":1}\n${'\n'.repeat(4_000_000)}`, 'application/jsonl')],
  ['spaces in an amount of an invoice', () => invoice(`task_id,amount\na,1${' '.repeat(65_000)}x\n`)],
  ['blank lines ahead of an invoice in JSON', () => invoice(`${' '.repeat(65_530)}\u3000\n`.repeat(250), 'application/jsonl')],
  ['columns with numbers for names', () => invoice(`task_id,amount,${numbers}\n${'x\n'.repeat(60_000)}`)],
  ['signs in the columns of an invoice', () => invoice(`${'!'.repeat(65_000)},task_id,amount\na,1\n`)],
  ['one line of an invoice', () => invoice(`{${many((index) => `"k${index}":1`, 200_000)}}`, 'application/jsonl')],
  ['depth of an invoice', () => invoice(`{"amount":${'['.repeat(2_000_000)}`, 'application/jsonl')],
  ['bytes that are no JSON', () => post('/bfl/v1/flux-2-pro', 'x'.repeat(50_000_000), { ...AUTH, 'content-type': 'text/x' })],
  ['depth inside a form', () => post('/v1/images/edits', form('provider_options', `${'{"a":'.repeat(150_000)}1${'}'.repeat(150_000)}`))],
])('%s stop nobody', { timeout: 60_000 }, async (_what, send) => {
  await expectNoStop(async () => expect([200, 400, 401, 404, 422]).toContain(await send()))
})

test.each([
  ['a cost', 'bfl', `{"id":"1","polling_url":"http://127.0.0.1/","cost":${number}}`],
  ['a count', 'openai', `{"created":1,"data":[],"usage":{"output_tokens":${number}}}`],
  ['a cost in a list', 'runware', `{"data":[{"taskType":"imageInference","cost":${number}}]}`],
  ['base64', 'openai', `{"created":1,"data":[{"b64_json":"${HEAD.slice(22)}${'='.repeat(CHARACTERS)}A"}]}`],
])('%s in a reply of %s that is endless stops nobody', { timeout: 60_000 }, async (_what, provider, text) => {
  reply = text
  const model = provider === 'openai' ? 'openai/gpt-image-2' : `${provider}/flux-2-pro`
  await expectNoStop(() => post('/v1/generations', JSON.stringify({ model, prompt: 'a' }), { ...AUTH, prefer: 'wait=2' }))
})

const RUNS = ['0=/.-%\\,:', '"[{\n�#?&<', 'A_+@!~(é\u0000 ']
test.each(RUNS)('a run of one of %j stops nobody, whatever field has it', { timeout: 60_000 }, async (characters) => {
  await expectNoStop(async () => {
    for (const character of characters) await sendRun(`${character.repeat(20_000)}x`)
  })
})

async function sendRun(run: string): Promise<void> {
  const request = { model: 'flux-2-pro', prompt: 'a' }
  const fields: readonly object[] = [
    { prompt: run, webhook: { url: `https://hook.example/${run}` } },
    { model: run },
    { reference_images: [`https://images.example/${run}`, run, `data:image/png;base64,${run}`, `data:${run},x`] },
    { metadata: { a: run }, provider_options: { bfl: { raw: run }, [run]: {} }, provider: { order: [run], max_price_usd: run }, seed: run },
  ]
  await Promise.all([
    ...fields.map((more) => post('/v1/quotes', JSON.stringify({ ...request, ...more }))),
    post('/bfl/v1/flux-2-pro', JSON.stringify({ prompt: run, seed: run, input_image: run, webhook_url: run })),
    post('/runware/v1', JSON.stringify([{ taskType: 'imageInference', taskUUID: run, model: run, positivePrompt: run, inputImage: run }])),
    post('/v1/images/generations', JSON.stringify({ prompt: run, size: run, n: run, model: run })),
  ])
}
