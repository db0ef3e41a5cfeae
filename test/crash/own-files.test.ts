import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { useRealSockets } from '../transport/real-sockets.ts'
import { startUnder } from './process.ts'
import type { ServerProcess } from './process.ts'

useRealSockets()

let server: ServerProcess | null = null
let folder = ''
afterEach(async () => {
  await server?.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** Files below a folder that others than their owner may read or write. */
const open = (directory: string): readonly string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => ((statSync(path, { throwIfNoEntry: false })?.mode ?? 0) & 0o077) !== 0)

const post = (body: object, prefer: string) =>
  fetch(`${server?.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer },
    body: JSON.stringify({ model: 'bfl/flux-2-pro', width: 256, height: 256, prompt: 'a lighthouse', ...body }),
  })

test('the files of a gateway are its own user’s alone, whatever the umask and whoever may enter its folder: its database, a copy of it that is sent, its images, small ones, and what its emulators keep', async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-own-'))
  const data = join(folder, 'data')
  const emulators = join(data, 'sandbox/emulators')
  mkdirSync(emulators, { recursive: true })
  // As an earlier version left it, and as others make it.
  writeFileSync(join(emulators, 'bfl.jsonl'), '')
  for (const path of [folder, data, join(data, 'sandbox'), emulators]) chmodSync(path, 0o755)
  chmodSync(join(emulators, 'bfl.jsonl'), 0o644)
  server = await startUnder('umask 000', { IMAGEGATE_DATA: data }, { providers: ['bfl'], sandboxTypicalMs: 20 })
  const { images } = (await (await post({}, 'wait=60')).json()) as Generation
  expect((await fetch(`${images[0]?.url}?w=256`)).status).toBe(200)
  // So much that a copy is still there while nobody reads it.
  for (let count = 0; count < 100; count++) await (await post({ prompt: '🗼'.repeat(31_000) }, 'respond-async')).text()
  const reply = await fetch(`${server.url}/v1/backup/database`)
  expect(reply.status).toBe(200)
  expect(readdirSync(join(data, 'sandbox')).some((name) => name.startsWith('backup-'))).toBe(true)
  expect(open(data)).toEqual([])
  await reply.body?.cancel()
}, 90_000)
