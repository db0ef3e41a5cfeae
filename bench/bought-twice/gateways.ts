import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { request } from 'undici'
import { SANDBOX_KEY } from '#sandbox'
import { freePort } from '../../test/support/free-port.ts'
import { serveGateway, THIS_CHECKOUT } from '../gateway.ts'
import type { Buyer } from './clients.ts'

const gpt = { model: 'gpt-image-2', width: 1024, height: 1024, quality: 'low' }
const flux = { model: 'flux-2-pro', width: 512, height: 512 }
const squares = { model: 'flux-2-pro', width: 1024, height: 1024 }
/** The same image that the other client of the provider orders. */
const ORDERS: Readonly<Record<string, object>> = { openai: gpt, openrouter: squares }

interface Answer {
  readonly id: string
  readonly status: string
  readonly cost: { readonly amount: string | null } | null
}
interface Costs {
  readonly total: { readonly unknown_cost_generations: number }
}

/** This gateway in a process of its own, with its defaults, in front of the vendor. */
export async function startGateway(vendor: string, provider: string): Promise<Buyer> {
  const gateway = await serveGateway(vendor, provider, { keep: true, apiKey: SANDBOX_KEY, maxInFlight: null })
  return {
    async buy(prompt) {
      const body = JSON.stringify({ ...(ORDERS[provider] ?? flux), prompt })
      const headers = { 'content-type': 'application/json' }
      let answer = await read<Answer>(await request(`${gateway.url}/v1/generations`, { method: 'POST', headers, body }))
      while (answer.status === 'queued' || answer.status === 'running')
        answer = await read<Answer>(await request(`${gateway.url}/v1/generations/${answer.id}?wait=30`))
      if (answer.status !== 'succeeded') throw new Error(answer.status)
      return { usd: answer.cost?.amount == null ? null : Number(answer.cost.amount) }
    },
    async named() {
      const { total } = await read<Costs>(await request(`${gateway.url}/v1/costs`))
      return total.unknown_cost_generations
    },
    close: () => gateway.stop(),
  }
}

async function read<T>(reply: { readonly statusCode: number; readonly body: { text(): Promise<string> } }): Promise<T> {
  const text = await reply.body.text()
  if (reply.statusCode >= 300) throw new Error(`${reply.statusCode} ${text.slice(0, 300)}`)
  return JSON.parse(text) as T
}

/** Portkey’s gateway as its package starts it. */
export async function startPortkey(): Promise<{ readonly url: string; readonly pid: number; stop(): void }> {
  const port = await freePort()
  const script = join(THIS_CHECKOUT, 'node_modules/@portkey-ai/gateway/build/start-server.js')
  const child = spawn(process.execPath, [script, `--port=${port}`, '--headless'], { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; tries < 100; tries += 1) {
    const isUp = await request(url).then(
      ({ body }) => body.dump().then(() => true),
      () => false,
    )
    if (isUp) return { url, pid: child.pid ?? 0, stop: () => void child.kill() }
    await pause(100)
  }
  child.kill()
  throw new Error('Portkey did not start within 10 s')
}
