import { afterAll, beforeAll, expect, test } from 'vitest'
import { isTerminal } from '#contract'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

let vendors: Vendors
let folder: ReturnType<Vendors['folder']>
let server: ServerProcess
beforeAll(async () => {
  vendors = await startVendors({ providers: ['bfl'], typicalMs: 100 })
  folder = vendors.folder()
  server = await startProcess(folder.environment)
}, 60_000)
afterAll(async () => {
  await server.kill('SIGKILL')
  await vendors.close()
  folder.remove()
})

interface Answered {
  readonly status: number
  readonly generation: Generation
}

async function answered(asked: Promise<Response>): Promise<Answered> {
  const reply = await asked
  return { status: reply.status, generation: (await reply.json()) as Generation }
}

const buy = (prompt: string, prefer = 'respond-async'): Promise<Answered> =>
  answered(
    fetch(`${server.url}/v1/generations`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': prompt, prefer },
      body: JSON.stringify({ model: 'bfl/flux-2-pro', prompt, width: 256, height: 256 }),
    }),
  )
const cancel = (id: string): Promise<Answered> => answered(fetch(`${server.url}/v1/generations/${id}/cancel`, { method: 'POST' }))
/** The generation once no attempt of it is under way. */
async function ended(id: string): Promise<Generation> {
  for (;;) {
    const { generation } = await answered(fetch(`${server.url}/v1/generations/${id}`))
    if (generation.attempts.every(({ ended_at: endedAt }) => endedAt !== null)) return generation
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
const submitsOf = (prompt: string): number =>
  vendors.front('bfl').visits.filter(({ purpose, body }) => purpose === 'submit' && body.includes(`"${prompt}"`)).length

/** When the cancel comes: at once, with the submit on its way, while it is polled, about when it ends. */
const WAITS_MS = [0, 0, 5, 20, 60, 110, 150, 250]

test('a generation that is bought, repeated and canceled at the same moment is one, is bought once at most, and ends once', async () => {
  const rounds = [...WAITS_MS, ...WAITS_MS].map(async (waitMs, index) => {
    const prompt = `a lighthouse in race ${index}.`
    const [first, second] = await Promise.all([buy(prompt), buy(prompt)])
    const { id } = first.generation
    await new Promise((resolve) => setTimeout(resolve, waitMs))
    const canceled = [cancel(id), cancel(id)]
    const repeated = [buy(prompt), buy(prompt, 'wait=20')]
    const all = await Promise.all([...canceled, ...repeated])
    expect([second, ...all].map(({ generation }) => generation.id)).toEqual([second, ...all].map(() => id))
    for (const { status } of all) expect([200, 202]).toContain(status)
    // Whoever waited saw its end, and it is the end for everybody, whenever it is asked.
    const end = all.at(-1)?.generation
    expect(isTerminal(end?.status ?? 'queued')).toBe(true)
    const later = await buy(prompt, 'wait=20')
    expect([later.generation.id, later.generation.status, later.generation.images.length]).toEqual([id, end?.status, end?.images.length])
    expect(submitsOf(prompt)).toBeLessThanOrEqual(1)
    expect(later.generation.attempts).toHaveLength(1)
    // What was never sent cost nothing; what was says what it cost, or that nobody knows. A submit on its way ends behind its generation.
    const [attempt] = (await ended(id)).attempts
    if (submitsOf(prompt) === 0) expect(attempt?.cost).toMatchObject({ amount: '0' })
    return later.generation.status
  })
  const ends = await Promise.all(rounds)
  expect(ends.every((status) => status === 'canceled' || status === 'succeeded')).toBe(true)
  expect(ends).toContain('canceled')
})
