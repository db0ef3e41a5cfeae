import { createHash, randomBytes } from 'node:crypto'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { segment } from '../store/assets/image-parts.ts'
import { gatewayWith } from '../support/for-one-test.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour } from '../support/neighbour.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const KEY = 'the-key-of-one-that-is-known'
const SIDE = 3_600
/** The mark of its beginning. */
const JPEG_HEAD_BYTES = 2
const COMMENT = 0xfe

test('an image of 25 MB of which a decoder is not given all stops nobody for 50 ms', { timeout: 120_000 }, async () => {
  const { url, pid } = await gatewayWith(
    `keys: [{ name: reader, scope: read, key_hash: ${createHash('sha256').update(KEY).digest('hex')} }]\n`,
  )
  const noise = await sharp(randomBytes(SIDE * SIDE * 3), { raw: { width: SIDE, height: SIDE, channels: 3 } })
    .jpeg({ quality: 100, chromaSubsampling: '4:4:4', progressive: true })
    .toBuffer()
  expect(noise.length).toBeGreaterThan(25_000_000)
  let asked = 0
  /** Another image each time, so that it is decoded. */
  const quote = async (): Promise<number> => {
    asked += 1
    const image = Buffer.concat([
      noise.subarray(0, JPEG_HEAD_BYTES),
      segment(COMMENT, Buffer.from(`number ${asked}`)),
      noise.subarray(JPEG_HEAD_BYTES),
    ])
    const reply = await fetch(`${url}/v1/quotes`, {
      method: 'POST',
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model: 'flux-2-pro',
        prompt: 'a tree',
        reference_images: [`data:image/jpeg;base64,${image.toString('base64')}`],
      }),
    })
    return reply.status
  }
  expect(await quote()).toBe(200)
  const neighbour = await startNeighbour({ url, pid })
  const stops = await leastStop(neighbour, async () => expect(await quote()).toBe(200))
  neighbour.end()
  console.log(`longest stop ${stops.longestMs.toFixed(0)} ms (${stops.longestWallMs.toFixed(0)} on the wall)`)
  expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
})
