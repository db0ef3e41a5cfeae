import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Generation } from '#contract'
import { readBooks } from './books.ts'
import { startProcess } from './process.ts'
import { startVendors } from './vendors.ts'
import type { Vendors } from './vendors.ts'

const PRELOAD = join(import.meta.dirname, '../support/odd-disk.ts')

let vendors: Vendors
beforeAll(async () => {
  vendors = await startVendors({ providers: ['bfl', 'runware', 'vtrix'], typicalMs: 200 })
})
afterAll(() => vendors.close())

/** A gateway whose disk becomes odd when `disk` says so. */
async function startOnOddDisk() {
  const folder = vendors.folder('')
  const file = join(dirname(folder.dataDirectory), 'disk.json')
  const server = await startProcess({ ...folder.environment, NODE_OPTIONS: `--import ${PRELOAD}`, ODD_DISK: file })
  return { folder, server, disk: (odd: object) => writeFileSync(file, JSON.stringify(odd)) }
}

const post = (url: string, prompt: string) =>
  fetch(`${url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'respond-async', 'idempotency-key': prompt },
    body: JSON.stringify({ model: 'flux-2-pro', prompt }),
  })
const submitsOf = (mark: string) =>
  [...vendors.fronts.values()].flatMap(({ visits }) => visits).filter(({ purpose, body }) => purpose === 'submit' && body.includes(mark))
    .length

describe.concurrent('a gateway', () => {
  test.concurrent(
    'whose disk takes two seconds to keep an acceptance serves everybody else meanwhile, and buys only then',
    { timeout: 60_000 },
    async ({ expect }) => {
      const { folder, server, disk } = await startOnOddDisk()
      disk({ syncMs: 2_000 })
      const beganAt = performance.now()
      let answeredMs = 0
      const accepted = post(server.url, 'slow disk').then((reply) => {
        answeredMs = performance.now() - beganAt
        return reply
      })
      const waits: number[] = []
      while (performance.now() - beganAt < 1_500) {
        const askedAt = performance.now()
        expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
        waits.push(performance.now() - askedAt)
      }
      expect(submitsOf('slow disk')).toBe(0)
      expect((await accepted).status).toBe(202)
      expect(answeredMs).toBeGreaterThan(1_950)
      // A disk that stops the event loop would let one through.
      expect(waits.length).toBeGreaterThan(5)
      disk({})
      await server.kill('SIGTERM')
      folder.remove()
    },
  )

  test.concurrent(
    'four of whose threads wait for something else, as for large images and silent names, has others for the disk',
    { timeout: 60_000 },
    async ({ expect }) => {
      const { folder, server, disk } = await startOnOddDisk()
      disk({ busyThreads: 4 })
      for (const prompt of ['busy threads', 'busy threads still']) expect((await post(server.url, prompt)).status).toBe(202)
      await server.kill('SIGKILL')
      folder.remove()
    },
  )

  test.concurrent(
    'whose disk fails to keep an acceptance ends without an answer, and buys once when it is asked again after the next start',
    { timeout: 60_000 },
    async ({ expect }) => {
      const { folder, server, disk } = await startOnOddDisk()
      disk({ fails: true })
      await expect(post(server.url, 'failing disk')).rejects.toThrow()
      expect(await server.ended).toBe('1')
      expect(server.said()).toMatch(/the disk failed to keep what was written to .*imagegate\.db \(EIO.*check the disk/)
      expect(server.said()).toContain('the database may not be on disk: the gateway ends; start it again')
      expect(submitsOf('failing disk')).toBe(0)

      const next = await startProcess(folder.environment)
      const { id } = (await (await post(next.url, 'failing disk')).json()) as Generation
      await expect
        .poll(async () => ((await (await fetch(`${next.url}/v1/generations/${id}`)).json()) as Generation).status, { timeout: 30_000 })
        .toMatch(/succeeded|failed/)
      expect(submitsOf('failing disk')).toBeLessThanOrEqual(1)
      expect(await next.kill('SIGTERM')).toBe('0')
      expect((await readBooks(folder.dataDirectory)).generations).toHaveLength(1)
      folder.remove()
    },
  )
})
