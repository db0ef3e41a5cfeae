import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { CostReport, Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import { relayEntry, startOddVendor } from '../support/odd-relay.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const headers = { authorization: 'Bearer team', 'content-type': 'application/json', prefer: 'respond-async' }

/** A relay whose cheap model is busy as soon as `answer` is called, and whose dear one refuses. */
async function startRelay() {
  const ordered: string[] = []
  let answer = () => {}
  const isAnswered = new Promise<void>((resolve) => (answer = resolve))
  const url = await startOddVendor(async (sent) => {
    const { model } = JSON.parse(sent) as { model: string }
    ordered.push(model)
    if (model === 'cheap') await isAnswered
    return { status: model === 'cheap' ? 429 : 400, body: {} }
  })
  return { url, ordered, answer: () => answer() }
}

test('a budget that was lowered while a purchase is open holds before a dearer provider is tried, and the reason is said', async () => {
  const relay = await startRelay()
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-lowered-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'imagegate.yaml')
  const write = (budget: string): void => {
    const key = `{ name: team, key_hash: ${createHash('sha256').update('team').digest('hex')}, budget_usd: "${budget}" }`
    writeFileSync(file, `keys: [${key}]\nproviders:\n${relayEntry('cheap', relay.url, '0.02')}${relayEntry('dear', relay.url, '0.50')}`)
  }
  write('1')
  const server = await startProcess({ IMAGEGATE_CONFIG: file, IMAGEGATE_DATA: join(folder, 'data') })
  onTestFinished(async () => void (await server.kill('SIGKILL')))

  const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a tree', width: 1024, height: 1024 })
  const { id } = (await (await fetch(`${server.url}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
  await expect.poll(() => relay.ordered).toEqual(['cheap'])
  write('0.05')
  server.signal('SIGHUP')
  await expect.poll(() => server.said(), { timeout: 20_000 }).toContain('configuration is in force')
  relay.answer()
  const show = async () => (await (await fetch(`${server.url}/v1/generations/${id}`, { headers })).json()) as Generation
  await expect.poll(async () => (await show()).status, { timeout: 20_000 }).toBe('failed')
  expect(relay.ordered).toEqual(['cheap'])
  expect((await show()).error).toMatchObject({
    code: 'budget_exceeded',
    message: expect.stringMatching(/^cheap failed \(rate_limited\) and dear would cost more .* 0\.03 of 0\.05 USD is left/),
    billed: false,
  })
  const { budgets } = (await (await fetch(`${server.url}/v1/costs`, { headers })).json()) as CostReport
  expect(budgets).toMatchObject([{ limit: '0.05', used: '0' }])
}, 60_000)
