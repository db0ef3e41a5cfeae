import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import sharp from 'sharp'

export interface BillingVendor {
  readonly url: string
  close(): Promise<void>
}

/**
 * A vendor whose bill the prompt decides, in credits (US cents): `cost:500` bills 500, `cost:none` says nothing of a cost and fails,
 * `cost:lost` takes the task and breaks the connection, anything else delivers at 3.
 */
export async function startBillingVendor(): Promise<BillingVendor> {
  const image = await sharp({ create: { width: 256, height: 256, channels: 3, background: 'teal' } })
    .jpeg()
    .toBuffer()
  let url = ''
  let count = 0
  const failing = new Set<string>()
  const server = createServer((request, response) => {
    const json = (body: object) => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      if (request.url === '/image.jpg') return void response.writeHead(200, { 'content-type': 'image/jpeg' }).end(image)
      if (request.method === 'POST') {
        const id = `task-${++count}`
        const [, bill = '3'] = /cost:(\w+)/.exec(Buffer.concat(chunks).toString()) ?? []
        if (bill === 'lost') return void request.socket.destroy()
        if (bill === 'none') failing.add(id)
        return void json({ id, polling_url: `${url}/v1/get_result?id=${id}`, ...(bill === 'none' ? {} : { cost: Number(bill) }) })
      }
      const id = new URL(request.url ?? '', url).searchParams.get('id') ?? ''
      json(failing.has(id) ? { id, status: 'Error' } : { id, status: 'Ready', result: { sample: `${url}/image.jpg` } })
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, close: () => new Promise((resolve) => server.close(() => resolve())) }
}
