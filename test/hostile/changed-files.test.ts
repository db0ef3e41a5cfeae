import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readdirSync, rmSync, truncateSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation, Image } from '#contract'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { openStorage, STORAGES } from '../support/storages.ts'
import type { Storage } from '../support/storages.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const PIXELS = { model: 'flux-2-pro', width: 256, height: 256 }

describe.each(STORAGES)('an image that is not as it was stored, in %s', (name) => {
  let storage: Storage
  let vendors: Vendors
  let own: ReturnType<Vendors['folder']>
  let server: ServerProcess
  beforeAll(async () => {
    ;[storage, vendors] = await Promise.all([openStorage(name), startVendors({ providers: ['bfl'], typicalMs: 20 })])
    own = vendors.folder(storage.configuration())
    server = await startOverridden({ ...own.environment, ...storage.environment }, { providers: ['bfl'] })
  }, 60_000)
  afterAll(async () => {
    await server.kill('SIGKILL')
    await vendors.close()
    storage.close()
    own.remove()
  })

  const post = (path: string, body: object): Promise<Response> =>
    fetch(server.url + path, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })

  async function bought(prompt: string): Promise<{ readonly image: Image; readonly file: string; readonly path: string }> {
    const { images } = (await (await post('/v1/generations', { ...PIXELS, prompt })).json()) as Generation
    const [image] = images
    const top = storage.bucket ?? join(own.dataDirectory, 'images')
    const file = readdirSync(top, { recursive: true, encoding: 'utf8' }).find(
      (each) => each.includes(`${image?.sha256}.`) && !each.includes('.w') && !each.endsWith('.json') && !each.endsWith('.md5'),
    )
    if (!image?.url || file === undefined) throw new Error('no image, or no file of it')
    return { image, file: join(top, file), path: new URL(image.url).pathname }
  }

  test.each([
    ['cut', (file: string) => truncateSync(file, 100)],
    ['longer than it was', (file: string) => appendFileSync(file, 'HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nmore')],
  ])(
    'is gone where it is %s: the next answer on its connection is not taken for the rest of it, and nothing is bought with it',
    async (how, change) => {
      const { image, file, path } = await bought(how)
      change(file)
      const get = (asked: string, range = ''): string => `GET ${asked} HTTP/1.1\r\nhost: 127.0.0.1\r\n${range}\r\n`
      for (const range of ['', 'range: bytes=10-5000\r\n']) {
        const answers = await said(server.url, get(path, range) + get('/healthz'))
        expect(answers.map(({ status }) => status)).toEqual([410, 200])
      }
      const before = vendors.submits('bfl')
      const refused = await post('/v1/generations', { ...PIXELS, prompt: 'again', reference_images: [{ image: image.id }] })
      expect(refused.status).toBe(400)
      expect(await refused.text()).toContain('no longer stored')
      expect(vendors.submits('bfl')).toBe(before)
    },
  )

  test.runIf(name === 'SQLite and files').each([
    ['a folder', (file: string) => mkdirSync(file)],
    ['a FIFO that nobody writes into', (file: string) => void execFileSync('mkfifo', [file])],
  ])('is gone where %s has its name, and others buy on', async (how, make) => {
    const { file, path } = await bought(how)
    rmSync(file)
    make(file)
    const asked = Array.from({ length: 40 }, async () => (await fetch(server.url + path)).status)
    expect((await bought(`beside ${how}`)).image.bytes).toBeGreaterThan(0)
    expect(new Set(await Promise.all(asked))).toEqual(new Set([410]))
  })
})

/** What comes for requests that are sent at once on one connection, read by the lengths that the answers say. */
function said(url: string, requests: string): Promise<readonly { readonly status: number; readonly body: string }[]> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  let bytes = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => (bytes += chunk))
  socket.write(requests)
  return new Promise((resolve) => {
    setTimeout(() => {
      socket.destroy()
      const answers: { status: number; body: string }[] = []
      for (let rest = bytes; rest !== '';) {
        const end = rest.indexOf('\r\n\r\n') + 4
        const length = Number(/content-length: (\d+)/i.exec(rest.slice(0, end))?.[1] ?? 0)
        answers.push({ status: Number(rest.slice(9, 12)), body: rest.slice(end, end + length) })
        rest = rest.slice(end + length)
      }
      resolve(answers)
    }, 1_500)
  })
}
