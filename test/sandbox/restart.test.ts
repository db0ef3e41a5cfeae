import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import sharp from 'sharp'
import { afterEach, describe, expect, test } from 'vitest'
import type { Call, Generation, Order } from '#contract'
import type { Sandbox } from '#sandbox'
import { startProcess } from '../crash/process.ts'
import { candidate, isAskable, noOptions, type Candidate } from '../support/examined.ts'
import { loadEmulator, providerFolders } from '../support/installed-providers.ts'
import { plainOrder } from '../support/legal-orders.ts'
import { ROOT } from '../support/source-tree.ts'
import { openSession, type VendorSession } from '../support/vendor-session.ts'

/** A task takes 300 to 1200 ms: longer than it takes to kill a process, shorter than a test may wait. */
const TYPICAL_MS = 600

/** Those that can be asked for a task: what the others sell ends with the connection that bought it. */
const candidates = (await Promise.all(providerFolders().map((id) => candidate(id)))).filter(isAskable)
const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-emulator-'))
  closing.push(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function startChild(provider: string, directory: string): Promise<{ readonly url: string; readonly child: ChildProcess }> {
  const program = join(import.meta.dirname, 'emulator-process.ts')
  const child = spawn(process.execPath, [program, provider, directory, String(TYPICAL_MS)], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  closing.push(() => child.kill('SIGKILL'))
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return { url, child }
}

async function start({ id, manifest, adapter }: Candidate, directory: string, running?: Sandbox): Promise<VendorSession> {
  const sandbox = running ?? (await (await loadEmulator(id))({ directory, typicalMs: TYPICAL_MS }))
  const session = openSession({ id, manifest, adapter }, sandbox)
  closing.push(() => session.close())
  return session
}

const orderAt = (examined: Candidate, change: Partial<Order> = {}): Order => {
  const [offer] = examined.offers
  if (!offer) throw new Error('a provider sells something')
  return plainOrder(offer, noOptions(examined), { prompt: 'a hill at noon', ...change })
}

/** The call that asks for a task which was accepted before `kill`, whether its submit was answered or held. */
async function submitAndKill(examined: Candidate, directory: string): Promise<{ readonly next: Call; readonly url: string }> {
  const { url, child } = await startChild(examined.id, directory)
  const session = await start(examined, directory, { url, submits: () => 0, mostUnfinished: () => 0, unplayed: [], close: async () => {} })
  const submit = examined.adapter.translate(orderAt(examined)).call
  const sending = session.transport.send(examined.id, submit, 5_000)
  await expect.poll(() => tasksIn(directory, examined.id).length, { interval: 5 }).toBe(1)
  // A vendor that lists its tasks finds ours by the address for callbacks, which this order does not give: then the reply is needed.
  const recovery = examined.adapter.recover?.(submit) ?? null
  if (recovery === null) await sending
  child.kill('SIGKILL')
  await once(child, 'exit')
  const sent = await sending
  const outcome = sent.kind === 'reply' ? examined.adapter.interpret(sent.reply, submit) : null
  const next = outcome?.kind === 'pending' ? outcome.next : recovery
  if (!next) throw new Error(`nothing to ask for: ${JSON.stringify(sent)}`)
  return { next, url }
}

async function pollToEnd(examined: Candidate, session: VendorSession, next: Call): Promise<string> {
  for (let call = next; ; await sleep(20)) {
    const outcome = await session.say(call)
    if (outcome.kind === 'pending') call = outcome.next
    else if (outcome.kind === 'done' && outcome.images[0]?.source.kind === 'url') return outcome.images[0].source.url
    else throw new Error(JSON.stringify(outcome))
  }
}

const isImage = async (link: string) => (await sharp(Buffer.from(await (await fetch(link)).arrayBuffer())).metadata()).width

describe.each(candidates)('the emulator of $id, killed while a task is in work,', (examined) => {
  test('is at the same address after its next start, and the task ends there with its image, bought once', async () => {
    const directory = temporaryFolder()
    const { next, url } = await submitAndKill(examined, directory)
    appendFileSync(join(directory, `${examined.id}.jsonl`), '{"task":{"id":"cut off')
    const session = await start(examined, directory)
    expect(session.sandbox.url).toBe(url)
    const link = await pollToEnd(examined, session, next)
    expect(await isImage(link)).toBeGreaterThan(0)
    expect(session.sandbox.submits()).toBe(1)
    await session.buy(orderAt(examined, { taskId: '00000000-0000-4000-8000-00000000000c' }))
    expect(session.sandbox.submits()).toBe(2)
  })
})

describe.each(candidates.slice(0, 1))('the emulator of $id, whose port is not free at its next start,', (examined) => {
  test('takes another, and still knows its tasks', async () => {
    const directory = temporaryFolder()
    const { next, url } = await submitAndKill(examined, directory)
    const squatter = createServer()
    await new Promise<void>((resolve) => squatter.listen(Number(new URL(url).port), '127.0.0.1', () => resolve()))
    closing.push(() => squatter.close())
    const session = await start(examined, directory)
    expect(session.sandbox.url).not.toBe(url)
    const moved: Call = { ...next, url: next.url.replace(url, session.sandbox.url) }
    expect(await isImage(await pollToEnd(examined, session, moved))).toBeGreaterThan(0)
  })
})

describe('a gateway in the sandbox', () => {
  test('that is killed while tasks are in work ends each of them after its next start, bought once', { timeout: 40_000 }, async () => {
    const data = temporaryFolder()
    const first = await startProcess({ IMAGEGATE_DATA: data })
    const submits = candidates.map(async ({ id: provider, offers }) => {
      const reply = await fetch(`${first.url}/v1/generations`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', prefer: 'respond-async' },
        body: JSON.stringify({ model: `${provider}/${offers[0]?.model}`, prompt: 'a hill at noon', width: 512, height: 512 }),
      })
      return ((await reply.json()) as Generation).id
    })
    const ids = await Promise.all(submits)
    const bought = () => candidates.flatMap(({ id }) => tasksIn(join(data, 'sandbox/emulators'), id)).length
    await expect.poll(bought).toBe(ids.length)
    // A submit whose reply is not on disk yet is lost where the vendor cannot be asked for it.
    const known = async () => (await Promise.all(ids.map((id) => generationAt(first.url, id)))).filter(isKnown).length
    await expect.poll(known).toBe(ids.length)
    await first.kill('SIGKILL')
    const second = await startProcess({ IMAGEGATE_DATA: data })
    closing.push(() => second.kill('SIGTERM'))
    for (const id of ids) {
      const ended = async () => (await generationAt(second.url, id)).completed_at
      await expect.poll(ended, { timeout: 20_000, interval: 100 }).not.toBeNull()
      expect(await generationAt(second.url, id)).toMatchObject({ status: 'succeeded', error: null })
    }
    expect(bought()).toBe(ids.length)
  })
})

const generationAt = async (url: string, id: string) => (await (await fetch(`${url}/v1/generations/${id}`)).json()) as Generation

/** Whether a killed gateway would find the task again: its id is recorded, or is our own. */
const isKnown = ({ attempts }: Generation): boolean => {
  const [attempt] = attempts
  const recover = candidates.find(({ id }) => id === attempt?.provider)?.manifest.declares.recover ?? false
  return attempt !== undefined && (recover || attempt.provider_task_id !== null)
}

/** The accepted tasks that a provider's emulator has on disk. */
function tasksIn(directory: string, provider: string): readonly string[] {
  const path = join(directory, `${provider}.jsonl`)
  return existsSync(path)
    ? readFileSync(path, 'utf8')
        .split('\n')
        .filter((line) => line.startsWith('{"task"'))
    : []
}
