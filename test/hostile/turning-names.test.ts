import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { pathToFileURL } from 'node:url'
import sharp from 'sharp'
import { expect, onTestFinished, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess } from '../crash/process.ts'
import { ROOT } from '../support/source-tree.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const IMAGE = await sharp({ create: { width: 256, height: 256, channels: 3, background: '#468' } })
  .jpeg()
  .toBuffer()

/** Public is 127.0.0.2, which the configuration allows; a name that has turned leads to none of these. */
const INSIDE = ['127.0.0.1']
const NOWHERE = ['0.0.0.0']
const PUBLIC = ['127.0.0.2']

/** One port of two addresses: the vendors of the configuration, and the public server of images and webhooks. A text sends on to an address. */
async function servers(said: (request: IncomingMessage, sent: string, port: number) => object | Buffer | string) {
  const visits: string[] = []
  let port = 0
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = said(request, await text(request), port)
    visits.push(`${request.socket.localAddress} ${request.url}`)
    if (typeof body === 'string') return void response.writeHead(302, { location: body }).end()
    response.setHeader('content-type', Buffer.isBuffer(body) ? 'image/jpeg' : 'application/json')
    response.end(Buffer.isBuffer(body) ? body : JSON.stringify(body))
  }
  for (const address of ['127.0.0.1', '127.0.0.2']) {
    const server = createServer((request, response) => void answer(request, response)).listen(port, address)
    await once(server, 'listening')
    port = (server.address() as AddressInfo).port
    onTestFinished(() => {
      server.closeAllConnections()
      server.close()
    })
  }
  return { port, visits }
}

let images = 0

/** Runware delivers at once, by a link to a name that turns, whose server sends inside itself at first; BFL says to poll at one. */
function vendorSays({ url = '' }: IncomingMessage, sent: string, port: number): object | Buffer | string {
  if (url === '/image.jpg') return images++ === 0 ? `http://[::1]:${port}/inside` : IMAGE
  if (url === '/hook') return {}
  if (!sent.startsWith('[')) return { id: 'a-task', polling_url: 'https://poll.bfl.ai/v1/get_result?id=a-task', cost: 3 }
  const [task] = JSON.parse(sent) as readonly { readonly taskUUID: string }[]
  const imageURL = `http://image.test:${port}/image.jpg`
  return { data: [{ taskType: 'imageInference', taskUUID: task?.taskUUID, imageUUID: task?.taskUUID, imageURL, cost: 0.03 }] }
}

test('names of polls, images and receivers that lead inside for a moment reach nobody there, and end neither a task that was bought nor a webhook', async () => {
  const { port, visits } = await servers(vendorSays)
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-turning-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const vendor = `base_url: "http://127.0.0.1:${port}"`
  writeFileSync(
    join(folder, 'imagegate.yaml'),
    `network: { allow: ["127.0.0.2/32"] }
providers: { runware: { api_key: vendor-key-0123456, ${vendor} }, bfl: { api_key: vendor-key-6543210, ${vendor} } }
`,
  )
  const gateway = await startProcess({
    IMAGEGATE_DATA: join(folder, 'data'),
    IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'),
    NODE_OPTIONS: `--import ${pathToFileURL(join(ROOT, 'test/support/odd-names.ts')).href}`,
    ODD_NAMES: JSON.stringify({
      'poll.bfl.ai': [INSIDE, NOWHERE, PUBLIC],
      'image.test': [INSIDE, NOWHERE, PUBLIC],
      // The first question is that of the acceptance.
      'hook.test': [PUBLIC, INSIDE, PUBLIC],
    }),
  })
  onTestFinished(async () => void (await gateway.kill('SIGKILL')))
  const buy = async (model: string, wait: number, more: object = {}): Promise<Generation> => {
    const body = JSON.stringify({ model, prompt: 'a tree', width: 256, height: 256, ...more })
    const headers = { 'content-type': 'application/json', prefer: `wait=${wait}` }
    return (await (await fetch(`${gateway.url}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
  }
  const polled = await buy('bfl/flux-2-pro', 0)
  const bought = await buy('runware/flux-2-pro', 20, { webhook: { url: `http://hook.test:${port}/hook` } })
  expect(bought).toMatchObject({ status: 'succeeded', error: null, cost: { amount: '0.03', basis: 'billed' } })
  // The second try, five seconds behind the first.
  await expect.poll(() => visits, { timeout: 15_000 }).toContain('127.0.0.2 /hook')
  // At the public address nobody takes connections for https: the poll that is sent there is the third, and the task goes on.
  await expect.poll(gateway.said, { timeout: 15_000 }).toMatch(/"host":"poll\.bfl\.ai","outcome":"unsent"/)
  const open = (await (await fetch(`${gateway.url}/v1/generations/${polled.id}`)).json()) as Generation
  expect([open.status, gateway.said().match(/"host":"poll\.bfl\.ai","outcome":"refused"/g)?.length]).toEqual(['running', 2])
  expect(visits.filter((visit) => !visit.includes(' /v1'))).toEqual(['127.0.0.2 /image.jpg', '127.0.0.2 /image.jpg', '127.0.0.2 /hook'])
}, 60_000)
