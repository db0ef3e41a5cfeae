import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Named } from '../support/openapi-judge.ts'
import { useRealSockets } from '../transport/real-sockets.ts'
import { authorizations, connectionsOf } from './authorization.ts'
import { closeClient, send } from './client.ts'
import type { Received, Sent } from './client.ts'
import { json, requestsTo } from './inputs.ts'
import { pipelined } from './pipelined.ts'
import type { HeadedAnswer } from './pipelined.ts'
import { KEY, makeOneOfEach, SEED, startTarget, TIMES } from './target.ts'
import type { Target } from './target.ts'

useRealSockets()
afterAll(closeClient)

/** What was wrong with answers: each kind once, with the request that showed it first. */
class Faults {
  readonly #shown = new Map<string, string>()
  note(fault: string | null | undefined, where: string, sent: Sent | string, said: string): void {
    if (fault == null || this.#shown.has(`${where}: ${fault}`)) return
    const request =
      typeof sent === 'string' ? sent : `${sent.method} ${sent.path} ${JSON.stringify(sent.headers)} ${sent.body?.toString().slice(0, 400)}`
    this.#shown.set(`${where}: ${fault}`, `${request.slice(0, 1_500)} → ${said.slice(0, 300)}`)
  }
  toString = (): string => [...this.#shown].map((one) => one.join(' ← ')).join('\n\n')
}

async function sendAll(url: string, requests: readonly Sent[], each: (sent: Sent, received: Received) => void): Promise<void> {
  const waiting = [...requests]
  const sender = async (): Promise<void> => {
    for (let sent = waiting.pop(); sent !== undefined; sent = waiting.pop()) each(sent, await send(url, sent))
  }
  await Promise.all(Array.from({ length: 8 }, sender))
}

const faultOf = (target: Target, named: Named, received: Received): string | undefined =>
  [
    received.status === 500 ? 'is 500' : null,
    target.judge.contradiction(named, received),
    received.headers['x-request-id'] === undefined ? `${received.status} has no x-request-id` : null,
  ].find((fault) => fault !== null) ?? undefined

/** Both start side by side. */
let starting: Readonly<Record<'keyed' | 'keyless', Promise<Target>>>
beforeAll(() => {
  starting = { keyed: startTarget({ isKeyed: true }), keyless: startTarget({ isKeyed: false }) }
})

describe.each([
  { isKeyed: true, what: 'with keys', times: 14, headers: 10_000 },
  { isKeyed: false, what: 'without keys', times: 4, headers: 1_000 },
])('a gateway $what', ({ isKeyed, times, headers }) => {
  let target: Target
  let known: Readonly<Record<string, readonly string[]>>
  const faults = new Faults()
  beforeAll(async () => {
    target = await (isKeyed ? starting.keyed : starting.keyless)
    known = await makeOneOfEach(target)
  }, 60_000)
  afterAll(() => target.close())

  const valuesOf = (path: string, name: string): readonly string[] =>
    known[name] ?? Object.entries(known).find(([prefix]) => path.startsWith(prefix))?.[1] ?? []

  test(
    'answers every documented route, whatever is sent, with a status, a media type and a body that the document has, and never with 500',
    { timeout: 60_000 * (TIMES + 1) },
    async () => {
      const statuses = new Map<string, number>()
      for (const named of target.operations) {
        const requests = fc.sample(requestsTo(named, target.document, { valuesOf, key: KEY }), { seed: SEED, numRuns: times * TIMES })
        await sendAll(target.url, requests, (sent, received) => {
          faults.note(faultOf(target, named, received), named.operation.operationId, sent, received.body.toString())
          const key = `${named.operation.operationId} ${received.status}`
          statuses.set(key, (statuses.get(key) ?? 0) + 1)
        })
      }
      if (process.env['FUZZ_LOUD']) console.log([...statuses].map((one) => one.join(' ')).join('\n'))
      expect(faults.toString(), `seed ${SEED}`).toBe('')
      expect(target.said()).not.toContain('failed unexpectedly')
    },
  )

  test(
    'answers undocumented paths and verbs in the shape of the API they are below, and callbacks as well',
    { timeout: 30_000 * (TIMES + 1) },
    async () => {
      const paths = fc.tuple(
        fc.constantFrom('/v1/', '/bfl/', '/bfl/v1/', '/runware/', '/mcp/', '/v1/hooks/bfl/', '/v1/hooks/', '/', '/docs/', '/problems/'),
        fc.string({ unit: 'binary', maxLength: 320 }).map((text) => encodeURIComponent(text.toWellFormed())),
      )
      const method = fc.constantFrom('GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS')
      const requests = fc.record({ paths, method, body: json }).map(({ paths: parts, method: verb, body }): Sent => {
        const headers = ['authorization', `Bearer ${KEY}`, 'content-type', 'application/json']
        return { method: verb, path: parts.join(''), headers, body: verb === 'GET' || verb === 'HEAD' ? null : Buffer.from(body) }
      })
      await sendAll(target.url, fc.sample(requests, { seed: SEED, numRuns: 200 * TIMES }), (sent, received) => {
        const schema = [
          ['/bfl/', 'BflError'],
          ['/runware/', 'RunwareError'],
          ['/mcp/', 'McpError'],
        ].find(([prefix = '']) => sent.path.startsWith(prefix))?.[1]
        const { status, body } = received
        const shape = status < 400 || body.length === 0 ? null : target.judge.misfit(schema ?? 'Problem', JSON.parse(body.toString()))
        faults.note(status >= 500 ? `is ${status}` : shape, sent.path.slice(0, 12), sent, body.toString())
      })
      expect(faults.toString(), `seed ${SEED}`).toBe('')
    },
  )

  test('answers every frame of a WebSocket in the shape of its API, and goes on after it', { timeout: 30_000 * (TIMES + 1) }, async () => {
    const socket = new WebSocket(`${target.url.replace('http', 'ws')}/runware/v1`)
    await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }))
    let frame = JSON.stringify([{ taskType: 'authentication', apiKey: KEY }])
    let pongs = 0
    socket.addEventListener('message', ({ data }) => {
      const answer = JSON.parse(String(data)) as object
      if (String(data).includes('"pong"')) pongs++
      faults.note(target.judge.misfit('errors' in answer ? 'RunwareError' : 'RunwareAnswer', answer), 'socket', frame, String(data))
    })
    const frames = [frame, ...fc.sample(json, { seed: SEED, numRuns: 100 * TIMES })]
    for (const [index, text] of frames.entries()) {
      frame = text
      socket.send(text)
      // A ping behind it is answered as well, so that a frame without an answer is not waited for.
      socket.send(JSON.stringify([{ taskType: 'ping', ping: true }]))
      await expect.poll(() => pongs, { interval: 1 }).toBe(index + 1)
    }
    socket.close()
    expect(faults.toString(), `seed ${SEED}`).toBe('')
  })

  test(
    'answers thousands of odd Authorization headers as the document says, and takes none but the key, in its own scheme',
    { timeout: 60_000 * (TIMES + 1) },
    async () => {
      const connections = [...connectionsOf(authorizations(target.operations, headers, SEED))]
      let answered = 0
      const connection = async (): Promise<void> => {
        for (let shown = connections.pop(); shown !== undefined; shown = connections.pop()) {
          const answers = await pipelined(
            target.url,
            shown.map(({ bytes }) => bytes),
          )
          answered += answers.length
          // A server may close a connection behind any answer; what is left is sent on another one.
          if (answers.length > 0 && answers.length < shown.length) connections.push(shown.slice(answers.length))
          for (const [index, { named, bytes, isRight }] of shown.slice(0, Math.max(1, answers.length)).entries()) {
            const answer = answers[index]
            const wrong = answer === undefined ? 'has no answer' : authorizationFault(answer, isKeyed ? isRight : null, timesShown(bytes))
            const fault = wrong ?? (answer && (answer.status === 500 ? 'is 500' : target.judge.contradiction(named, answer)))
            faults.note(fault, named.operation.operationId, bytes.toString('latin1').slice(0, 400), String(answer?.body ?? ''))
          }
        }
      }
      await Promise.all(Array.from({ length: 16 }, connection))
      expect(faults.toString(), `seed ${SEED}`).toBe('')
      expect(answered).toBeGreaterThan(headers * 0.97)
    },
  )
})

/** How often the header stands in a request. */
const timesShown = (request: Buffer): number => request.toString('latin1').match(/^authorization:/gim)?.length ?? 0

/** @param isRight whether the key came; null where none is asked for */
function authorizationFault({ status, head }: HeadedAnswer, isRight: boolean | null, times: number): string | null {
  if (!/^x-request-id: \S+$/im.test(head)) return `${status} has no x-request-id`
  const isUnread = status === 431 || (status === 400 && head.includes('connection: close') && isRight !== true)
  if (isUnread) return null
  // Whoever reads the first of two and whoever reads the last would let in different callers. BFL's API says 422 to what it cannot read.
  if (times > 1) return status === 400 || status === 422 ? null : `is ${status} where the header came ${times} times`
  if (isRight === null) return status === 401 || status === 403 ? `is ${status} without keys` : null
  return (status === 401) === isRight ? `is ${status} where the key ${isRight ? 'came' : 'did not come'}` : null
}
