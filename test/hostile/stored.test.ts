import { useRealSockets } from '../transport/real-sockets.ts'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Webhook } from 'standardwebhooks'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation, Problem } from '#contract'
import { startOddProcess } from '../crash/process.ts'
import type { OddProcess } from '../crash/process.ts'
import { headersOf, startReceiver } from '../webhooks/receiver.ts'

useRealSockets()

const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`
const auth = { authorization: 'Bearer key-of-team' }
const HOUR_MS = 3_600_000

test(
  'the webhook secret of an older data folder is taken over once, and links in webhooks are signed and work until they expire',
  { timeout: 60_000 },
  async () => {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-stored-'))
    const receiver = await startReceiver()
    onTestFinished(async () => {
      await receiver.close()
      rmSync(folder, { recursive: true, force: true })
    })
    const [older, later] = [newSecret(), newSecret()]
    const file = join(folder, 'data', 'sandbox', 'webhook.secret')
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, `${older}\n`)
    const keyHash = createHash('sha256').update('key-of-team').digest('hex')
    writeFileSync(
      join(folder, 'imagegate.yaml'),
      `keys: [{ name: team, key_hash: ${keyHash} }]\nassets: { link_ttl: 2h }\nnetwork: { allow: ["127.0.0.0/8"] }\n`,
    )
    const start = async (): Promise<OddProcess> => {
      const started = await startOddProcess(
        { IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') },
        folder,
      )
      onTestFinished(async () => void (await started.kill('SIGKILL')))
      return started
    }
    /** What its webhook says, as the standard library reads it with this secret. */
    const heardWith = async (server: OddProcess, secret: string): Promise<Generation> => {
      const heard = receiver.heard.length
      const body = { model: 'bfl/flux-2-pro', prompt: 'a lighthouse', width: 256, height: 256, webhook: { url: receiver.url } }
      const headers = { ...auth, 'content-type': 'application/json' }
      await (await fetch(`${server.url}/v1/generations`, { method: 'POST', headers, body: JSON.stringify(body) })).text()
      await receiver.hears(heard + 1)
      const last = receiver.heard.at(-1)
      if (!last) throw new Error('nothing was heard')
      return (new Webhook(secret).verify(last.body, headersOf(last)) as { readonly data: Generation }).data
    }

    const first = await start()
    const { images } = await heardWith(first, older)
    const link = images[0]?.url ?? ''
    expect(link).toMatch(/\/v1\/images\/img_\w+\.\w+\?expires=\d+&signature=[\w-]{43}$/)
    const image = await fetch(link)
    expect([image.status, image.headers.get('content-type'), (await image.bytes()).length]).toEqual([
      200,
      expect.stringMatching(/^image\//),
      images[0]?.bytes,
    ])
    const bare = link.replace(/\?.*/, '')
    for (const changed of [bare, link.slice(0, -1), link.replace(/expires=\d+/, 'expires=9999999999')])
      expect((await fetch(changed)).status).toBe(401)
    first.change({ clockMs: HOUR_MS })
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect((await fetch(link)).status).toBe(200)
    first.change({ clockMs: 4 * HOUR_MS })
    await expect.poll(async () => (await fetch(link)).status).toBe(403)
    expect(((await (await fetch(link)).json()) as Problem).detail).toContain('expired')
    expect((await fetch(bare, { headers: auth })).status).toBe(200)

    // A filter more than a generation can have pairs is refused; as many as it can have are not.
    const filters = (count: number): string => Array.from({ length: count }, (_, index) => `metadata.k${index}=v`).join('&')
    for (const path of ['/v1/generations', '/v1/costs']) {
      expect((await fetch(`${first.url}${path}?${filters(16)}`, { headers: auth })).status).toBe(200)
      const refused = await fetch(`${first.url}${path}?${filters(17)}`, { headers: auth })
      expect([path, refused.status, await refused.json()]).toMatchObject([
        path,
        400,
        { errors: [{ path: 'metadata', message: expect.stringContaining('16') }] },
      ])
    }
    await first.kill('SIGTERM')

    // From then on the store has it: what the file says later is no secret of this gateway, and is put right.
    writeFileSync(file, `${later}\n`)
    await heardWith(await start(), older)
    expect(readFileSync(file, 'utf8').trim()).toBe(older)
  },
)
