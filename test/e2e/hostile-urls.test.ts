import http from 'node:http'
import { mkdtempSync, rmSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { startProcess } from '../crash/process.ts'
import { hostileUrls } from '../transport/hostile-urls.ts'
import { connectProxy } from '../transport/loopback.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

/** Listens on this machine and counts who comes. */
async function inside() {
  const visits: string[] = []
  const server = http.createServer((request, response) => {
    visits.push(request.url ?? '')
    response.end()
  })
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { visits, port: (server.address() as AddressInfo).port }
}

test.each(['directly', 'through the proxy of HTTPS_PROXY'])(
  'a gateway reaches nobody inside for a caller, %s: as a reference in a quote or a request, or as a webhook',
  async (way) => {
    const folder = mkdtempSync(join(tmpdir(), 'imagegate-inside-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const { visits, port } = await inside()
    const proxy = await connectProxy()
    const gateway = await startProcess({ IMAGEGATE_DATA: folder, ...(way === 'directly' ? {} : { HTTPS_PROXY: proxy.url }) })
    onTestFinished(async () => void (await gateway.kill('SIGTERM')))
    const asked = async (path: string, more: object): Promise<string> => {
      const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a lighthouse', ...more })
      const headers = { 'content-type': 'application/json', prefer: 'respond-async' }
      const reply = await fetch(gateway.url + path, { method: 'POST', headers, body })
      const { code } = (await reply.json()) as { readonly code?: string }
      return `${reply.status} ${code}`
    }
    const taken: string[] = []
    const urls = [...hostileUrls(port)]
    const worker = async (): Promise<void> => {
      for (let url = urls.pop(); url !== undefined; url = urls.pop()) {
        const answers = [
          await asked('/v1/generations', { reference_images: [url] }),
          await asked('/v1/generations', { webhook: { url } }),
          await asked('/v1/quotes', { reference_images: [url] }),
        ]
        if (answers.slice(0, 2).some((answer) => !answer.startsWith('4')) || answers[2]?.startsWith('5'))
          taken.push(`${url}: ${answers.join(', ')}`)
      }
    }
    await Promise.all(Array.from({ length: 8 }, worker))
    expect(taken).toEqual([])
    expect(visits).toEqual([])
    expect(proxy.asked).toEqual([])
  },
  60_000,
)
