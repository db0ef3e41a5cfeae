import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'

const closers: (() => Promise<unknown> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

type Line = Readonly<Record<string, unknown>>
const lines = (server: ServerProcess): readonly Line[] =>
  server
    .said()
    .split('\n')
    .flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Line] : []))

async function until(holds: () => boolean, what: string): Promise<void> {
  const endsAt = performance.now() + 60_000
  while (performance.now() < endsAt) {
    if (holds()) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error(`never: ${what}`)
}

const post = (server: ServerProcess, path: string, body: object, headers: Record<string, string> = {}) =>
  fetch(`${server.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
const BODY = { model: 'bfl/flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256 }

describe('the log of a gateway', { timeout: 120_000 }, () => {
  test('follows a request by its id through every line of its generation, across a restart, to one line about the end', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-log-'))
    closers.push(() => rmSync(folder, { recursive: true, force: true }))
    // At debug each call of a vendor is a line too.
    const environment = { IMAGEGATE_DATA: folder, IMAGEGATE_CONFIG: '', LOG_LEVEL: 'debug' }
    const first = await startProcess(environment)
    closers.push(() => first.kill('SIGKILL'))
    const moderated = await post(first, '/v1/generations', { ...BODY, prompt: 'sandbox:moderated' }, { 'x-request-id': 'moderated-1' })
    expect([moderated.status, moderated.headers.get('x-request-id')]).toEqual([200, 'moderated-1'])
    const ends = (server: ServerProcess, id: string) =>
      lines(server).filter(({ request_id: own, code }) => own === id && code !== undefined)
    await until(() => ends(first, 'moderated-1').length > 0, 'a line about the end')
    const attempt = expect.stringMatching(/^att_/) as string
    expect(ends(first, 'moderated-1')).toEqual([
      expect.objectContaining({ level: 40, code: 'moderated', status: 'failed', attempt, provider: 'bfl', msg: 'a generation has failed' }),
    ])

    const accepted = await post(first, '/v1/generations', BODY, { 'x-request-id': 'kept.2_a', prefer: 'respond-async' })
    const { id: generation } = (await accepted.json()) as { readonly id: string }
    await until(() => lines(first).some((line) => line['generation'] === generation && line['purpose'] === 'submit'), 'the submit')
    // The line is written before the task is stored; without it nobody could say what the submit came to.
    const stored = async () =>
      ((await (await fetch(`${first.url}/v1/generations/${generation}`)).json()) as Generation).attempts[0]?.provider_task_id
    await expect.poll(stored).toEqual(expect.any(String))
    await first.kill('SIGKILL')
    const second = await startProcess(environment)
    closers.push(() => second.kill('SIGKILL'))
    await until(() => ends(second, 'kept.2_a').length > 0, 'the end after the restart')
    const about = [...lines(first), ...lines(second)].filter((line) => line['generation'] === generation)
    expect(about.map(({ purpose, msg }) => purpose ?? msg)).toEqual(expect.arrayContaining(['submit', 'poll', 'a generation has ended']))
    for (const line of about) expect(line).toMatchObject({ request_id: 'kept.2_a', generation, attempt })
    expect(ends(second, 'kept.2_a')).toEqual([
      expect.objectContaining({
        level: 30,
        code: null,
        status: 'succeeded',
        cost: expect.stringMatching(/^0\.\d+$/) as string,
        ms: expect.any(Number) as number,
      }),
    ])
  })
})

describe('an answer of any route', { timeout: 120_000 }, () => {
  test('carries the caller’s request id where it is a sane one, else a new one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-log-'))
    closers.push(() => rmSync(folder, { recursive: true, force: true }))
    const server = await startProcess({ IMAGEGATE_DATA: folder, IMAGEGATE_CONFIG: '' })
    closers.push(() => server.kill('SIGKILL'))
    const paths = [
      '/healthz',
      '/v1/models',
      '/v1/nothing',
      '/metrics',
      '/openapi.json',
      '/docs',
      '/bfl/v1/nothing',
      '/runware/v1',
      '/mcp',
      '/v1/images/generations',
    ]
    for (const path of paths) {
      const named = await fetch(`${server.url}${path}`, { headers: { 'x-request-id': 'mine-1' } })
      expect([path, named.headers.get('x-request-id')]).toEqual([path, 'mine-1'])
      const unnamed = await fetch(`${server.url}${path}`)
      expect([path, unnamed.headers.get('x-request-id')]).toEqual([path, expect.stringMatching(/^[A-Za-z0-9._-]{1,128}$/)])
    }
    for (const unsound of ['a b', 'x'.repeat(129), 'ü', '"quoted"']) {
      const reply = await fetch(`${server.url}/healthz`, { headers: { 'x-request-id': encodeURIComponent(unsound).slice(0, 200) } })
      expect(reply.headers.get('x-request-id')).toMatch(/^req_[0-9a-f]{32}$/)
    }
    const unreadable = await fetch(`${server.url}/%zz`)
    expect([unreadable.status, unreadable.headers.get('x-request-id')]).toEqual([400, expect.stringMatching(/^req_[0-9a-f]{32}$/)])
    const bad = await post(server, '/v1/generations', { ...BODY, model: 7 }, { 'x-request-id': 'bad-1' })
    expect([bad.status, bad.headers.get('x-request-id')]).toEqual([400, 'bad-1'])
    const openai = await post(
      server,
      '/v1/images/generations',
      { model: 'flux-2-pro', prompt: 'a lighthouse' },
      { 'x-request-id': 'openai-1' },
    )
    expect([openai.status, openai.headers.get('x-request-id')]).toEqual([200, 'openai-1'])
    const call = {
      jsonrpc: '2.0',
      id: 1,
      method: 'tools/call',
      params: { name: 'generate', arguments: { ...BODY, max_price_usd: '1', width: 256, height: 256 } },
    }
    const tool = await post(server, '/mcp', call, { accept: 'application/json, text/event-stream', 'x-request-id': 'tool-1' })
    expect(tool.headers.get('x-request-id')).toBe('tool-1')
    await tool.text()
    const comparison = await post(server, '/v1/comparisons', { ...BODY, model: 'flux-2-pro' }, { 'x-request-id': 'compared-1' })
    expect(comparison.status).toBe(200)
    const socket = new WebSocket(`${server.url.replace('http', 'ws')}/runware/v1`)
    closers.push(() => socket.close())
    await new Promise((resolve) => socket.addEventListener('open', resolve))
    // Of several tasks that come by one connection, each is named by its own id.
    const taskUUIDs = [crypto.randomUUID(), crypto.randomUUID()]
    const inference = { taskType: 'imageInference', model: 'bfl:5@1', positivePrompt: 'a lighthouse', width: 256, height: 256 }
    socket.send(
      JSON.stringify([{ taskType: 'authentication', apiKey: 'any' }, ...taskUUIDs.map((taskUUID) => ({ ...inference, taskUUID }))]),
    )
    const ended = () => new Set(lines(server).flatMap((line) => (line['code'] === undefined ? [] : [line['request_id']])))
    await until(() => ['openai-1', 'tool-1', 'compared-1', ...taskUUIDs].every((id) => ended().has(id)), 'a line about the end of each')
    expect(lines(server)).toContainEqual(expect.objectContaining({ msg: 'request', request_id: 'bad-1', status: 400 }))
  })
})
