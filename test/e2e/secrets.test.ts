import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'

const CANARIES = [
  'canary-bfl-7f3a',
  'canary-runware-91bc',
  'canary-vtrix-c0de',
  'canary-gateway-5511',
  'canary-signature-aa42',
  'canary-prompt-93d1',
] as const
const [BFL, RUNWARE, VTRIX, GATEWAY, SIGNATURE, PROMPT] = CANARIES
const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))

const folder = mkdtempSync(join(tmpdir(), 'imagegate-canary-'))
let answers = ''
let log = ''
let requests = 0
let vendorCalls = 0

/** A spiteful vendor: says the key and a signed link back in every error it can. */
function spiteful() {
  return createServer((request, response) => {
    vendorCalls++
    const key = String(request.headers['x-key'] ?? request.headers.authorization ?? '')
    const words = `your key ${key} at https://cdn.example/x.png?sig=${SIGNATURE} is not welcome`
    const body = JSON.stringify({
      detail: words,
      message: words,
      error: words,
      errors: [{ code: 'invalidModel', message: words, parameter: words }],
    })
    response.writeHead(request.url?.includes('flex') ? 500 : 422, { 'content-type': 'application/json' }).end(body)
  })
}

beforeAll(async () => {
  const vendor = spiteful()
  vendor.listen(0, '127.0.0.1')
  await once(vendor, 'listening')
  const url = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`
  const { createHash } = await import('node:crypto')
  const hash = createHash('sha256').update(GATEWAY).digest('hex')
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(
    config,
    `keys: [{ name: team, key_hash: ${hash} }]\nproviders: { bfl: { base_url: "${url}" }, runware: { base_url: "${url}" }, vtrix: { base_url: "${url}" } }\n`,
  )
  const env = {
    PATH: process.env['PATH'],
    PORT: '0',
    IMAGEGATE_CONFIG: config,
    IMAGEGATE_DATA: join(folder, 'data'),
    BFL_API_KEY: BFL,
    RUNWARE_API_KEY: RUNWARE,
    VTRIX_API_KEY: VTRIX,
    LOG_LEVEL: 'trace',
  }
  const server = spawn(process.execPath, [MAIN], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const read = (chunk: Buffer) => (log += chunk.toString())
  server.stdout.on('data', read)
  server.stderr.on('data', read)
  while (!/http:\/\/127\.0\.0\.1:\d+/.test(log)) await once(server.stdout, 'data')
  const base = /http:\/\/127\.0\.0\.1:\d+/.exec(log)?.[0] ?? ''
  const headers = { authorization: `Bearer ${GATEWAY}`, 'content-type': 'application/json' }
  const say = async (path: string, body?: object) => {
    const reply = await fetch(base + path, { headers, ...(body ? { method: 'POST', body: JSON.stringify(body) } : {}) })
    requests += reply.redirected ? 2 : 1
    return reply.text()
  }
  for (const provider of ['bfl', 'runware', 'vtrix']) {
    for (const model of ['flux-2-pro', 'flux-2-flex']) {
      const reference = `https://bucket.example/in.png?X-Amz-Signature=${SIGNATURE}`
      const text = await say('/v1/generations', { model: `${provider}/${model}`, prompt: PROMPT, reference_images: [reference] })
      // The caller's own prompt is echoed to the caller, and to nobody else.
      answers += text.replaceAll(PROMPT, '')
    }
  }
  for (const path of ['/v1/providers', '/v1/models', '/metrics', '/openapi.json', '/docs', '/v1/nothing', '/v1/images/x'])
    answers += await say(path)
  requests++
  answers += await (await fetch(`${base}/v1/models`, { headers: { authorization: `Bearer ${GATEWAY}x` } })).text()
  server.kill('SIGTERM')
  await once(server, 'exit')
  vendor.close()
}, 60_000)
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const filesOf = (path: string): string[] =>
  statSync(path).isDirectory() ? readdirSync(path).flatMap((name) => filesOf(join(path, name))) : [path]

test('the log has one line for each request and one for each vendor call', () => {
  const lines = log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => (JSON.parse(line) as { readonly msg?: string }).msg)
  expect(lines.filter((said) => said === 'request')).toHaveLength(requests)
  expect(vendorCalls).toBeGreaterThanOrEqual(6)
  expect(lines.filter((said) => said === 'vendor call')).toHaveLength(vendorCalls)
})

test.for(CANARIES)('%s is in no answer', (canary) => {
  expect(answers.length).toBeGreaterThan(10_000)
  expect(answers).not.toContain(canary)
})

test.for(CANARIES)('%s is in no log line', (canary) => {
  expect(log).toContain('vendor call')
  expect(log).not.toContain(canary)
})

test.for([BFL, RUNWARE, VTRIX, GATEWAY])('%s is in no file of the data folder', (canary) => {
  const files = filesOf(join(folder, 'data'))
  expect(files.some((file) => file.includes('imagegate.db'))).toBe(true)
  for (const file of files) expect([file, readFileSync(file).includes(canary)]).toEqual([file, false])
})
