import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { readBooks } from './books.ts'
import { startProcess } from './process.ts'
import type { ServerProcess } from './process.ts'
import { MARK, STEPS } from './steps.ts'
import type { Step } from './steps.ts'
import { startVendors } from './vendors.ts'
import type { Vendors } from './vendors.ts'

const PROVIDERS = ['bfl', 'runware', 'vtrix'] as const
type ProviderId = (typeof PROVIDERS)[number]

let vendors: Vendors
beforeAll(async () => {
  vendors = await startVendors({ providers: PROVIDERS })
})
afterAll(() => vendors.close())

/** Where a crash leaves it open whether the vendor heard of the task; only one of them can be asked. */
const IN_DOUBT: ReadonlySet<Step> = new Set(['after the intent', 'in the submit', 'reply received but not recorded'])
const CAN_BE_ASKED: ReadonlySet<ProviderId> = new Set(['runware'])

function expected(
  provider: ProviderId,
  step: Step,
): { readonly status: string; readonly code: string | undefined; readonly bought: number } {
  const succeeded = { status: 'succeeded', code: undefined, bought: 1 }
  if (!IN_DOUBT.has(step)) return succeeded
  if (step === 'after the intent') return { status: 'failed', code: 'outcome_unknown', bought: 0 }
  return CAN_BE_ASKED.has(provider) ? succeeded : { status: 'failed', code: 'outcome_unknown', bought: 1 }
}

const markOf = (provider: string, step: Step) => `${provider}-${step.replaceAll(' ', '-')}`

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
      ...polled,
    }),
  }).catch(() => null)
  return reply === null ? null : ((await reply.json().catch(() => null)) as Generation | null)
}

const start = (environment: Readonly<Record<string, string>>, provider: ProviderId, step: Step | undefined) =>
  startProcess(environment, step === undefined ? null : { step, mark: markOf(provider, step) })

/** Dies where the step says: by itself, or while its submit has reached the vendor and the reply has not left. */
async function crash(server: ServerProcess, provider: ProviderId, step: Step): Promise<void> {
  const front = vendors.front(provider)
  if (step === 'in the submit') {
    front.beforeReply = async (visit) => {
      if (visit.purpose === 'submit' && visit.body.includes(markOf(provider, step))) await server.kill('SIGKILL')
    }
  }
  const [how] = await Promise.all([server.ended, post(server, provider, step, 'respond-async')])
  front.beforeReply = () => {}
  expect(how).toBe('SIGKILL')
}

describe.concurrent.for(PROVIDERS)('killed -9 while it buys from %s,', (provider) => {
  test.concurrent(
    'at every step, the next start loses nothing, buys nothing twice and settles once',
    { timeout: 60_000 },
    async ({ expect }) => {
      const folder = vendors.folder()
      const front = vendors.front(provider)
      const submitsOf = (mark: string) => front.visits.filter(({ purpose, body }) => purpose === 'submit' && body.includes(mark)).length
      const report: object[] = []
      const expectations: object[] = []
      let server = await start(folder.environment, provider, STEPS[0])
      for (const [index, step] of STEPS.entries()) {
        const mark = markOf(provider, step)
        await crash(server, provider, step)
        const visitsBefore = front.visits.length
        server = await start(folder.environment, provider, STEPS[index + 1])
        // Resumed by itself, before anybody asks.
        const listed = step === 'before the intent' ? null : await firstSign(front, visitsBefore, server, mark)
        const generation = await post(server, provider, step, 'wait=30')
        report.push({
          step,
          status: generation?.status,
          code: generation?.error?.code,
          bought: submitsOf(mark),
          attempts: generation?.attempts.length,
          resumedWithinASecond: listed === null || listed < 1_000,
        })
        expectations.push({ step, ...expected(provider, step), attempts: 1, resumedWithinASecond: true })
      }
      expect(await server.kill('SIGTERM')).toBe('0')
      expect(report).toEqual(expectations)
      const books = readBooks(folder.dataDirectory)
      expect(books.generations).toHaveLength(STEPS.length)
      expect(books.open).toBe(0)
      expect([...books.settlements.values()]).toEqual(STEPS.map(() => 1))
      folder.remove()
    },
  )
})

/** How long after it listened the server first did something about the generation: asked the vendor, or ended it. */
async function firstSign(
  front: { readonly visits: readonly { readonly at: number }[] },
  since: number,
  server: ServerProcess,
  mark: string,
): Promise<number> {
  for (let looks = 0; looks < 100; looks++) {
    const visit = front.visits[since]
    if (visit) return visit.at - server.listensAt
    const reply = await fetch(`${server.url}/v1/generations?metadata.${MARK}=${mark}`)
    const { data } = (await reply.json()) as { readonly data: readonly Generation[] }
    const completedAt = data[0]?.completed_at
    if (completedAt) return Date.parse(completedAt) - server.listensAt
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return Infinity
}
