import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { launchGateway, type Gateway } from './gateway.ts'

const DRAWN = sharp({ create: { width: 64, height: 64, channels: 3, background: '#468' } })
const SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><script>alert(1)</script></svg>'

/** A vendor that delivers the file its prompt names, under a label that says it is a page. */
let files: Readonly<Record<string, Buffer | string>> = {}
const vendor = createServer((request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/html' }).end(files[(request.url ?? '').slice(1)])
    return
  }
  let body = ''
  request.on('data', (chunk) => (body += String(chunk)))
  request.on('end', () => {
    const [task] = JSON.parse(body) as [{ taskUUID: string; positivePrompt: string; taskType: string }]
    const imageURL = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}/${task.positivePrompt}`
    const answer = { ...task, imageUUID: task.taskUUID, imageURL, cost: 0.03, seed: 1 }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data: [answer] }))
  })
})

let gateway: Gateway
beforeAll(async () => {
  files = {
    jpeg: await DRAWN.clone().jpeg().toBuffer(),
    png: await DRAWN.clone().png().toBuffer(),
    webp: await DRAWN.clone().webp().toBuffer(),
    svg: SVG,
    page: `<!doctype html>${SVG}`,
  }
  vendor.listen(0, '127.0.0.1')
  await once(vendor, 'listening')
  const url = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`
  gateway = await launchGateway({
    config: `providers: { runware: { api_key: a-key-of-sixteen-chars, base_url: "${url}" } }\n`,
    patience: { linkMs: 100 },
  })
})
afterAll(async () => {
  await gateway.close()
  vendor.close()
})

const generated = (file: string) =>
  gateway.generate({ model: 'runware/flux-2-pro', prompt: file, width: 64, height: 64 }, { prefer: 'wait=20' })

describe('a stored image', () => {
  test.each(['jpeg', 'png', 'webp'])(
    'that is a %s is served as one in a sandbox, whatever its label and the address say',
    async (format) => {
      const { images } = await generated(format)
      const url = images[0]?.url ?? ''
      for (const [address, init] of [
        [url, {}],
        [url.replace(/\.[a-z]+$/, '.html'), {}],
        [url.replace(/\.[a-z]+$/, '.svg'), {}],
        [url, { headers: { range: 'bytes=0-9' } }],
        [url, { headers: { 'if-none-match': '*' } }],
      ] as const) {
        const reply = await fetch(address, init)
        expect([200, 206, 304]).toContain(reply.status)
        expect(Object.fromEntries(reply.headers)).toMatchObject({
          'content-type': `image/${format}`,
          'x-content-type-options': 'nosniff',
          'content-security-policy': "default-src 'none'; sandbox",
        })
        await reply.arrayBuffer()
      }
    },
  )
})

test.each(['svg', 'page'])('a vendor’s %s is never stored, so it is never served', async (file) => {
  expect(await generated(file)).toMatchObject({ status: 'failed', images: [], error: { code: 'bad_reply' } })
})
