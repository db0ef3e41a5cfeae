import { createServer } from 'node:http'
import zlib from 'node:zlib'
import { expect, test } from 'vitest'
import { gatewayWith, listening } from '../support/for-one-test.ts'
import { residentBytes } from '../support/resident-bytes.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const MIB = 1_024 * 1_024

/** A JPEG that is made of comments without anything in them, 60 MiB, in a few kB whose window is 128 MiB. */
function packed(): Buffer {
  const comment = Buffer.alloc(65_537)
  comment.set([0xff, 0xfe, 0xff, 0xff])
  const image = Buffer.concat([Buffer.from([0xff, 0xd8]), ...Array.from({ length: 950 }, () => comment)])
  const { ZSTD_c_windowLog, ZSTD_c_contentSizeFlag } = zlib.constants
  return zlib.zstdCompressSync(image, { params: { [ZSTD_c_windowLog]: 27, [ZSTD_c_contentSizeFlag]: 0 } })
}

test('references whose links say that they are packed with a large window, and never end, take no gigabyte of memory', async () => {
  const bytes = packed()
  let asked = 0
  const server = createServer((_request, response) => {
    asked += 1
    response.writeHead(200, { 'content-type': 'image/jpeg', 'content-encoding': 'zstd' })
    response.write(bytes.subarray(0, -20))
  })
  const links = await listening(server)
  const { url, pid } = await gatewayWith(
    'network: { allow: ["127.0.0.0/8"] }\nproviders: { openai: { api_key: a-vendor-key-0123, base_url: "http://127.0.0.1:1" } }\n',
  )
  const before = residentBytes(pid)
  const headers = { 'content-type': 'application/json', prefer: 'respond-async' }
  const buy = (at: number): Promise<Response> => {
    const reference_images = Array.from({ length: 4 }, (_, index) => `${links}/${at}-${index}.jpg`)
    const body = JSON.stringify({ model: 'openai/gpt-image-2', prompt: 'a tree', reference_images })
    return fetch(`${url}/v1/generations`, { method: 'POST', headers, body })
  }
  await Promise.all(Array.from({ length: 8 }, (_, at) => buy(at)))
  let most = 0
  for (let count = 0; count < 40; count++) {
    await new Promise((resolve) => setTimeout(resolve, 200))
    most = Math.max(most, residentBytes(pid) - before)
  }
  expect(asked).toBeGreaterThan(16)
  expect(most / MIB).toBeLessThan(400)
}, 60_000)
