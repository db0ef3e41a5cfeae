import { randomUUID } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { startProcess } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { startReceiver } from './receiver.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** Starts gateways on one data folder, one after the other, before a vendor that outlives them. */
async function gateways(): Promise<(() => Promise<ServerProcess>) & { readonly submits: () => number }> {
  const vendors = await startVendors({ providers: ['runware'], typicalMs: 300 })
  const folder = vendors.folder('network: { allow: ["127.0.0.0/8"] }\n')
  closing.push(vendors.close, async () => folder.remove())
  const start = async () => {
    const server = await startProcess(folder.environment)
    closing.push(() => server.kill('SIGKILL'))
    return server
  }
  return Object.assign(start, { submits: () => vendors.submits('runware') })
}

async function post(url: string, body: unknown): Promise<Record<string, unknown>> {
  const reply = await fetch(url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
  expect(reply.status).toBe(200)
  return (await reply.json()) as Record<string, unknown>
}

/** The deliveries of a gateway, once the first of them is as wanted; null: as it is. */
async function deliveryWhen(url: string, status: string | null, tries = 0): Promise<Record<string, unknown>> {
  const until = performance.now() + 60_000
  while (performance.now() < until) {
    const { data } = (await (await fetch(`${url}/v1/webhooks/deliveries`)).json()) as { data: Record<string, unknown>[] }
    const [delivery] = data
    if (delivery && (status ?? delivery['status']) === delivery['status'] && Number(delivery['tries']) >= tries) return delivery
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  const generations = await (await fetch(`${url}/v1/generations`)).text()
  throw new Error(`no delivery was ${status} among those of ${generations.slice(0, 3_000)}`)
}

const SIGNALS = ['SIGKILL', 'SIGTERM'] as const

describe('a webhook of a compatible API outlives its gateway', { timeout: 120_000 }, () => {
  test.each(SIGNALS)('BFL’s, asked for before a %s: the receiver that was down gets the finished task and its secret', async (signal) => {
    const start = await gateways()
    const receiver = await startReceiver(503)
    closing.push(receiver.close)
    const first = await start()
    const task = await post(`${first.url}/bfl/v1/flux-2-pro`, {
      prompt: 'a lighthouse',
      width: 512,
      height: 512,
      seed: 7,
      webhook_url: `${receiver.url}/bfl`,
      webhook_secret: 's3cret',
    })
    expect(task).toMatchObject({ status: 'Pending', webhook_url: `${receiver.url}/bfl` })
    await deliveryWhen(first.url, 'pending', 1)
    await first.kill(signal)
    receiver.answerWith(204)
    const before = receiver.heard.length
    const second = await start()
    // Where the start took long, it is tried again by itself before anybody asks.
    const waiting = await deliveryWhen(second.url, null)
    if (waiting['status'] === 'pending')
      await fetch(`${second.url}/v1/webhooks/deliveries/${String(waiting['id'])}/retry`, { method: 'POST' })
    await receiver.hears(before + 1)
    await deliveryWhen(second.url, 'delivered')
    const heard = receiver.heard.at(-1)
    expect(heard?.headers['x-webhook-secret']).toBe('s3cret')
    const result = await (await fetch(`${second.url}/bfl/v1/get_result?id=${String(task['id'])}`)).json()
    expect(JSON.parse(heard?.body ?? '')).toEqual(result)
    expect(result).toMatchObject({ id: task['id'], status: 'Ready', result: { seed: 7 } })
  })

  test.each(SIGNALS)(
    'Runware’s, asked for before a %s in the middle of the task: each result comes once, flat, and no error',
    async (signal) => {
      const start = await gateways()
      const receiver = await startReceiver(204)
      closing.push(receiver.close)
      const first = await start()
      const taskUUID = randomUUID()
      const answered = await post(`${first.url}/runware/v1`, [
        {
          taskType: 'imageInference',
          taskUUID,
          model: 'bfl:5@1',
          positivePrompt: 'a lighthouse',
          width: 512,
          height: 512,
          numberResults: 2,
          includeCost: true,
          webhookURL: `${receiver.url}/runware`,
        },
      ])
      expect(answered).toEqual({ data: [{ taskType: 'imageInference', taskUUID }] })
      // The task is acknowledged before the vendor has it.
      await expect.poll(start.submits, { timeout: 10_000 }).toBe(1)
      await first.kill(signal)
      const second = await start()
      expect(await deliveryWhen(second.url, 'delivered')).toMatchObject({ type: 'generation.succeeded', tries: 2 })
      const items = receiver.heard.map(({ body }) => JSON.parse(body) as Record<string, unknown>)
      expect(items).toHaveLength(2)
      for (const item of items) {
        expect(item).toMatchObject({ taskType: 'imageInference', taskUUID, imageURL: expect.any(String), cost: expect.any(Number) })
        expect(item).not.toHaveProperty('code')
      }
      expect(new Set(items.map((item) => item['imageUUID'])).size).toBe(2)
    },
  )
})
