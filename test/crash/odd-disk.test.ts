import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, test } from 'vitest'
import type { Generation, Problem } from '#contract'
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

const statusOf = async (url: string, id: string): Promise<string> =>
  ((await (await fetch(`${url}/v1/generations/${id}`)).json()) as Generation).status

describe.concurrent('a gateway', () => {
  test.concurrent(
    'whose disk takes four seconds to keep an acceptance serves everybody else meanwhile, and buys only then',
    { timeout: 60_000 },
    async ({ expect }) => {
      const { folder, server, disk } = await startOnOddDisk()
      disk({ syncMs: 4_000 })
      const beganAt = performance.now()
      let answeredMs = 0
      const accepted = post(server.url, 'slow disk').then((reply) => {
        answeredMs = performance.now() - beganAt
        return reply
      })
      while (performance.now() - beganAt < 1_500) expect((await fetch(`${server.url}/healthz`)).status).toBe(200)
      // A disk that stops the event loop has the last of them wait for it as long as the acceptance does.
      expect(performance.now() - beganAt).toBeLessThan(3_500)
      expect(submitsOf('slow disk')).toBe(0)
      expect((await accepted).status).toBe(202)
      expect(answeredMs).toBeGreaterThan(3_950)
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

  test.concurrent(
    'whose database’s disk is full says so, buys nothing, and buys once when it is asked again and there is space',
    { timeout: 60_000 },
    async ({ expect, skip, onTestFinished }) => {
      const disk = mkdtempSync(join(tmpdir(), 'imagegate-tiny-'))
      try {
        execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', disk], { stdio: 'ignore' })
      } catch {
        rmSync(disk, { recursive: true })
        return skip('no file system can be mounted here')
      }
      const folder = vendors.folder('')
      const server = await startProcess({ ...folder.environment, IMAGEGATE_DATA: join(disk, 'data') })
      onTestFinished(async () => {
        await server.kill('SIGKILL')
        execFileSync('umount', [disk])
        rmSync(disk, { recursive: true })
        folder.remove()
      })
      const ballast = join(disk, 'ballast')
      expect(() => writeFileSync(ballast, Buffer.alloc(8 * 1024 * 1024))).toThrow('ENOSPC')

      const refused = await post(server.url, 'full disk')
      expect(refused.status).toBe(503)
      expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
      expect((await refused.json()) as Problem).toMatchObject({ code: 'store_unavailable', detail: expect.stringContaining('disk') })
      expect((await fetch(`${server.url}/v1/generations`)).status).toBe(200)
      expect(submitsOf('full disk')).toBe(0)

      rmSync(ballast)
      const { id } = (await (await post(server.url, 'full disk')).json()) as Generation
      await expect.poll(() => statusOf(server.url, id), { timeout: 30_000 }).toBe('succeeded')
      expect(submitsOf('full disk')).toBe(1)
    },
  )

  test.concurrent('whose folder of images was removed makes it anew, and loses no image', { timeout: 60_000 }, async ({ expect }) => {
    const folder = vendors.folder('')
    const server = await startProcess(folder.environment)
    rmSync(join(folder.dataDirectory, 'images'), { recursive: true })
    const { id } = (await (await post(server.url, 'no folder')).json()) as Generation
    await expect.poll(() => statusOf(server.url, id), { timeout: 15_000 }).toBe('succeeded')
    await server.kill('SIGKILL')
    folder.remove()
  })
})
