import { useRealSockets } from '../transport/real-sockets.ts'
import { mkdtempSync, rmSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startProcess } from '../crash/process.ts'

useRealSockets()

const HOOK = 'https://app.example.com/hook'

/** As versions wrote it whose idempotency keys were of the request alone: the hash of the same request without a webhook. */
function writeAsBefore(folder: string): void {
  const database = new DatabaseSync(join(folder, 'sandbox/imagegate.db'))
  const { changes } = database
    .prepare(`UPDATE idempotency SET body_hash = (SELECT body_hash FROM idempotency WHERE key LIKE '%plain') WHERE key LIKE '%order'`)
    .run()
  database.close()
  expect(changes).toBe(1)
}

test('a task that an earlier version took under an Idempotency-Key is found again with its webhook, and with another is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-keys-before-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  let gateway = await startProcess({ IMAGEGATE_DATA: folder })
  onTestFinished(async () => void (await gateway.kill('SIGKILL')))
  const submit = async (key: string, more: object) => {
    const headers = { 'content-type': 'application/json', 'idempotency-key': key }
    const body = JSON.stringify({ prompt: 'a tree', ...more })
    const reply = await fetch(`${gateway.url}/bfl/v1/flux-2-pro`, { method: 'POST', headers, body })
    return { status: reply.status, id: ((await reply.json()) as { id?: string }).id }
  }
  const before = await submit('order', { webhook_url: HOOK })
  await submit('plain', {})
  await gateway.kill('SIGTERM')
  writeAsBefore(folder)
  gateway = await startProcess({ IMAGEGATE_DATA: folder })
  expect(before.status).toBe(200)
  expect(await submit('order', { webhook_url: HOOK })).toEqual(before)
  expect((await submit('order', { webhook_url: `${HOOK}/another` })).status).toBe(422)
  expect((await submit('order', { webhook_url: HOOK, prompt: 'another' })).status).toBe(422)
  expect((await submit('plain', { webhook_url: HOOK })).status).toBe(422)
}, 60_000)
