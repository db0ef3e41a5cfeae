import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import { startProcess } from '../crash/process.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')

/** An image of noise in base64: another one each time. */
async function noise(side: number, format: 'png' | 'webp'): Promise<string> {
  const create = { width: side, height: side, channels: 3, background: '#fff', noise: { type: 'gaussian', mean: 128, sigma: 60 } } as const
  const bytes = await sharp({ create }).toFormat(format).toBuffer()
  return bytes.toString('base64')
}

const filesIn = (folder: string): string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => name)

test('references of what is only quoted, or refused, leave nothing on the disk, whatever the API', { timeout: 60_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-only-quoted-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const poor = `{ name: poor, key_hash: ${hashOf('poor')}, budget_usd: "0.000001" }`
  const keys = `{ name: reader, key_hash: ${hashOf('reader')}, scope: read }, ${poor}, { name: buyer, key_hash: ${hashOf('buyer')} }`
  writeFileSync(join(folder, 'imagegate.yaml'), `keys: [${keys}]\n`)
  const data = join(folder, 'data')
  const gateway = await startProcess({ IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'), IMAGEGATE_DATA: data })
  onTestFinished(async () => void (await gateway.kill('SIGKILL')))
  const send = async (key: string, path: string, body: object): Promise<number> => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const reply = await fetch(gateway.url + path, { method: 'POST', headers, body: JSON.stringify(body) })
    await reply.arrayBuffer()
    return reply.status
  }
  const order = async (format: 'png' | 'webp' = 'png') => {
    // A small one, which is judged in memory, and a large one.
    const images = await Promise.all([64, 600].map((side) => noise(side, format)))
    return { model: 'flux-2-pro', prompt: 'a tree', reference_images: images.map((image) => `data:image/${format};base64,${image}`) }
  }
  const edit = async () => {
    const form = new FormData()
    form.set('model', 'flux-2-pro')
    form.set('prompt', 'a tree')
    form.set('image', new Blob([Buffer.from(await noise(64, 'png'), 'base64')], { type: 'image/png' }), 'image.png')
    return (await fetch(`${gateway.url}/v1/images/edits`, { method: 'POST', headers: { authorization: 'Bearer poor' }, body: form })).status
  }
  const quote = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'quote', arguments: await order() } }
  const statuses = [
    await send('reader', '/v1/quotes', await order()),
    await send('reader', '/v1/quotes', await order('webp')),
    await send('reader', '/mcp', quote),
    await send('poor', '/v1/generations', await order()),
    await send('poor', '/v1/comparisons', await order('webp')),
    await send('poor', '/bfl/v1/flux-2-pro', { prompt: 'a tree', input_image: await noise(64, 'png') }),
    await edit(),
    await send('buyer', '/v1/generations', { ...(await order()), on_unsupported: 'reject', guidance: 4, provider: { only: ['bfl'] } }),
  ]
  expect(statuses).toEqual([200, 200, 200, 402, 402, 402, expect.toSatisfy((status) => [400, 402, 429].includes(status)), 422])
  expect(filesIn(data).filter((name) => /\.(png|jpg|webp)$/.test(name))).toEqual([])
  expect(filesIn(join(data, 'sandbox')).filter((name) => /^[0-9a-f-]{36}$/.test(name))).toEqual([])
  // What is bought keeps them.
  expect(await send('buyer', '/v1/generations', await order())).toBe(200)
  expect(filesIn(data).filter((name) => name.endsWith('.png')).length).toBeGreaterThanOrEqual(2)
})
