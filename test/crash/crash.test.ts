import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import pg from 'pg'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { freshDatabase, POSTGRES_PROGRAMS } from '../support/postgres.ts'
import { readBooks, readPostgresBooks } from './books.ts'
import type { Books } from './books.ts'
import { startProcess } from './process.ts'
import type { ServerProcess } from './process.ts'
import { MARK, STEPS } from './steps.ts'
import type { Step } from './steps.ts'
import { startVendors } from './vendors.ts'
import type { Vendors } from './vendors.ts'

const PROVIDERS = ['bfl', 'runware', 'vtrix'] as const
type ProviderId = (typeof PROVIDERS)[number]

let vendors: Vendors
/** The ids of the messages that came, by generation. */
const reported = new Map<string, Set<string>>()
const receiver = createServer((request, response) => void listen(request, response))
async function listen(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { data } = JSON.parse(await text(request)) as { readonly data: Generation }
  reported.set(data.id, (reported.get(data.id) ?? new Set()).add(String(request.headers['webhook-id'])))
  response.end()
}
const receiverAddress = () => `127.0.0.1:${(receiver.address() as AddressInfo).port}`

beforeAll(async () => {
  vendors = await startVendors({ providers: PROVIDERS })
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  receiver.closeAllConnections()
  receiver.close()
  await vendors.close()
})

/** Where a crash leaves it open whether the vendor heard of the task; only one of them can be asked. */
const IN_DOUBT: ReadonlySet<Step> = new Set(['after the intent', 'in the submit', 'reply received but not recorded'])
const CAN_BE_ASKED: ReadonlySet<ProviderId> = new Set(['runware'])

function expected(provider: ProviderId, step: Step): object {
  const bought = step === 'after the intent' ? 0 : 1
  const isKnown = !IN_DOUBT.has(step) || (bought === 1 && CAN_BE_ASKED.has(provider))
  const end = isKnown
    ? { status: 'succeeded', code: null, images: 1, basis: 'billed' }
    : { status: 'failed', code: 'outcome_unknown', images: 0, basis: 'unknown' }
  // Died before anything was on disk: the client's second try is the generation.
  const resumed = step === 'before the intent' ? null : true
  return { provider, step, ...end, bought, attempts: 1, resumedWithinASecond: resumed }
}

/** Of each store, so that neither counts what the other has bought. */
let series = 'file'
const markOf = (provider: string, step: Step) => `${series}-${provider}-${step.replaceAll(' ', '-')}`

/** As a careful client does: the same key, however often it must be sent. Null where the server died before it answered. */
async function post(server: ServerProcess, provider: ProviderId, step: Step, wait: string): Promise<Generation | null> {
  const mark = markOf(provider, step)
  // The vendor that answers at once is polled only where it is asked to be.
  const polled = provider === 'runware' && step === 'between polls' ? { provider_options: { runware: { deliveryMethod: 'async' } } } : {}
  const reply = await fetch(`${server.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'idempotency-key': mark, prefer: wait },
    body: JSON.stringify({
      model: `${provider}/flux-2-pro`,
      prompt: `a lighthouse ${mark}`,
      width: 256,
      height: 256,
      metadata: { [MARK]: mark },
      webhook: { url: `http://${receiverAddress()}/reported` },
      ...polled,
    }),
  }).catch(() => null)
  return reply === null ? null : ((await reply.json().catch(() => null)) as Generation | null)
}

const start = (environment: Readonly<Record<string, string>>, step: Step | undefined) =>
  startProcess(environment, step === undefined ? null : { step, marks: PROVIDERS.map((provider) => markOf(provider, step)) })

/** Dies by itself when all have come to the step, or when all submits have reached their vendors and no reply has left. */
async function crash(server: ServerProcess, step: Step): Promise<void> {
  let held = 0
  for (const provider of PROVIDERS) {
    vendors.front(provider).beforeReply = async ({ purpose, body }) => {
      if (step !== 'in the submit' || purpose !== 'submit' || !body.includes(markOf(provider, step))) return
      held++
      if (held === PROVIDERS.length) void server.kill('SIGKILL')
      await server.ended
    }
  }
  const [how] = await Promise.all([server.ended, ...PROVIDERS.map((provider) => post(server, provider, step, 'respond-async'))])
  expect(how).toBe('SIGKILL')
}

/** How long after it listened the server first did something about the generation: asked the vendor, or ended it. */
async function firstSignMs(server: ServerProcess, provider: ProviderId, step: Step, visitsBefore: number): Promise<number> {
  for (let polls = 0; polls < 150; polls++) {
    const visit = vendors.front(provider).visits[visitsBefore]
    if (visit) return visit.at - server.listensAt
    const reply = await fetch(`${server.url}/v1/generations?metadata.${MARK}=${markOf(provider, step)}`)
    const { data } = (await reply.json()) as { readonly data: readonly Generation[] }
    const completedAt = data[0]?.completed_at
    if (completedAt) return Date.parse(completedAt) - server.listensAt
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return Infinity
}

interface Series {
  readonly steps: readonly Step[]
  /** Lines of the configuration. */
  readonly more?: string
  readonly readBooksIn: (dataDirectory: string) => Promise<Books>
}

async function killedAt({ steps, more = '', readBooksIn }: Series): Promise<void> {
  const folder = vendors.folder(`network: { allow: ["${receiverAddress()}"] }\n${more}`)
  const soldBefore = new Map(PROVIDERS.map((provider) => [provider, vendors.submits(provider)]))
  reported.clear()
  const report: object[] = []
  let server = await start(folder.environment, steps[0])
  for (const [index, step] of steps.entries()) {
    await crash(server, step)
    const visitsBefore = new Map(PROVIDERS.map((provider) => [provider, vendors.front(provider).visits.length]))
    server = await start(folder.environment, steps[index + 1])
    const rows = PROVIDERS.map(async (provider) => {
      // Resumed by itself, before anybody asks.
      const signMs = step === 'before the intent' ? null : await firstSignMs(server, provider, step, visitsBefore.get(provider) ?? 0)
      const generation = await post(server, provider, step, 'wait=60')
      const submits = vendors
        .front(provider)
        .visits.filter(({ purpose, body }) => purpose === 'submit' && body.includes(markOf(provider, step)))
      return {
        provider,
        step,
        status: generation?.status,
        code: generation?.error?.code ?? null,
        images: generation?.images.length,
        basis: generation?.cost.basis,
        bought: submits.length,
        attempts: generation?.attempts.length,
        resumedWithinASecond: signMs === null ? null : signMs < 1_000,
      }
    })
    report.push(...(await Promise.all(rows)))
  }
  // Every end is reported, those too that a crash came before.
  await expect.poll(() => reported.size, { timeout: 10_000 }).toBe(report.length)
  expect(await server.kill('SIGTERM')).toBe('0')
  expect(report).toEqual(steps.flatMap((step) => PROVIDERS.map((provider) => expected(provider, step))))

  const books = await readBooksIn(folder.dataDirectory)
  expect(books.generations).toHaveLength(steps.length * PROVIDERS.length)
  expect(books.open).toBe(0)
  expect(new Map([...reported].map(([id, messages]) => [id, messages.size]))).toEqual(new Map(books.generations.map(({ id }) => [id, 1])))
  expect([...books.settlements.values()]).toEqual(books.generations.map(() => 1))
  for (const provider of PROVIDERS)
    expect(vendors.submits(provider) - (soldBefore.get(provider) ?? 0)).toBe(steps.filter((step) => step !== 'after the intent').length)
  folder.remove()
}

/** Soon after a start of the database nobody knows who else uses it, and what is left open waits (`postgres/work.ts`). */
async function knowsWhoIsGone(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  const isKnown = async () => (await client.query(`SELECT now() - pg_postmaster_start_time() > interval '6 seconds' AS old`)).rows[0]?.old
  await expect.poll(isKnown, { timeout: 15_000 }).toBe(true)
  await client.end()
}

test('killed -9 at every step with all vendors, a server loses nothing, buys nothing twice and settles once', { timeout: 240_000 }, () =>
  killedAt({ steps: STEPS, readBooksIn: readBooks }),
)

test.skipIf(POSTGRES_PROGRAMS === null)(
  'killed -9 with its rows in PostgreSQL, a server loses nothing, buys nothing twice and settles once',
  { timeout: 120_000 },
  async () => {
    series = 'postgres'
    const url = await freshDatabase()
    await knowsWhoIsGone(url)
    const steps = ['reply received but not recorded', 'stored but not settled'] as const
    await killedAt({ steps, more: `store: { url: "${url}" }\n`, readBooksIn: () => readPostgresBooks(url) })
  },
)
