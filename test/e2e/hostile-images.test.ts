import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { deflateSync } from 'node:zlib'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { startProcess, type ServerProcess } from '../crash/process.ts'
import { honestImages } from '../store/assets/honest-images.ts'
import { hostileImages } from '../store/assets/hostile-images.ts'
import { png, pngChunk, pngEnd, pngHeader } from '../store/assets/image-parts.ts'

/** An empty one is no image but an answer that is not there yet. */
const hostile = [...(await hostileImages())].filter(([, bytes]) => bytes.length > 0)
/** 100 megapixels in 12 kB, the most that is taken. */
const heavy = png(
  pngHeader({ width: 10_000, height: 10_000, depth: 1, colour: 0 }),
  pngChunk('IDAT', deflateSync(Buffer.alloc(10_000 * 1_251))),
  pngEnd,
)
const honest = [...(await honestImages())].map(([name, { bytes }]) => ({ name, bytes }))
const files = [...hostile.map(([, bytes]) => bytes), heavy, ...honest.map(({ bytes }) => bytes)]
const MEBIBYTE = 1_048_576
const hashOf = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** Plausible by its length and its markers; only its codes show that it is damaged. */
const short = (await hostileImages()).get('a baseline JPEG with half the rows of its header') ?? Buffer.alloc(0)

/** A vendor that delivers, with its reply, the file whose number the prompt is, or a link to `short`, whose length it states or not. */
const vendor = createServer((request, response) => {
  if (request.method === 'GET') {
    if (request.url === '/stated.jpg') response.setHeader('content-length', short.length)
    response.write(short.subarray(0, 100))
    response.end(short.subarray(100))
    return
  }
  let body = ''
  request.on('data', (chunk) => (body += String(chunk)))
  request.on('end', () => {
    const [task] = JSON.parse(body) as [{ taskUUID: string; positivePrompt: string }]
    if (task.positivePrompt.endsWith('.jpg')) {
      const imageURL = `http://${request.headers.host}/${task.positivePrompt}`
      response.end(JSON.stringify({ data: [{ ...task, imageUUID: task.taskUUID, imageURL, cost: 0.03, seed: 1 }] }))
      return
    }
    const imageBase64Data = files[Number(task.positivePrompt)]?.toString('base64')
    const answer = { ...task, imageUUID: task.taskUUID, imageBase64Data, cost: 0.03, seed: 1 }
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ data: [answer] }))
  })
})

const folder = mkdtempSync(join(tmpdir(), 'imagegate-hostile-'))
let gateway: ServerProcess
const outcomes: Generation[] = []
let residentBefore = 0

/** The most memory a process ever had, in bytes. */
const peakOf = (pid: number): number => Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1_024

async function generate(prompt: string, waitSeconds: number): Promise<Generation> {
  const reply = await fetch(`${gateway.url}/v1/generations`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: `wait=${waitSeconds}` },
    body: JSON.stringify({ model: 'runware/flux-2-pro', prompt, width: 64, height: 64 }),
  })
  return (await reply.json()) as Generation
}

beforeAll(async () => {
  vendor.listen(0, '127.0.0.1')
  await once(vendor, 'listening')
  const url = `http://127.0.0.1:${(vendor.address() as AddressInfo).port}`
  writeFileSync(
    join(folder, 'imagegate.yaml'),
    `network: { allow: ["${new URL(url).host}"] }\nproviders: { runware: { api_key: a-key-of-sixteen-chars, base_url: "${url}" } }\n`,
  )
  gateway = await startProcess({ IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml'), IMAGEGATE_DATA: join(folder, 'data') })
  residentBefore = peakOf(gateway.pid)
  let next = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < files.length; index = next++) {
      outcomes[index] = await generate(String(index), 60)
    }
  }
  await Promise.all(Array.from({ length: 8 }, worker))
}, 120_000)
afterAll(async () => {
  await gateway.kill('SIGTERM')
  vendor.close()
  rmSync(folder, { recursive: true, force: true })
})

test.each(hostile.map(([name], index) => [name, index] as const))('a vendor’s image fails clearly: %s', (_, index) => {
  expect(outcomes[index]).toMatchObject({ status: 'failed', images: [], error: { code: 'bad_reply' } })
  expect(outcomes[index]?.error?.message).toMatch(/image/)
})

test('an image of 100 megapixels is stored, and neither it nor any of the others takes much memory or stops the process', async () => {
  expect(outcomes[hostile.length]).toMatchObject({ status: 'succeeded', images: [{ width: 10_000, height: 10_000, bytes: heavy.length }] })
  expect(peakOf(gateway.pid) - residentBefore).toBeLessThan(200 * MEBIBYTE)
  expect((await fetch(`${gateway.url}/healthz`)).status).toBe(200)
  expect(gateway.said()).not.toMatch(/"level":(50|60)/)
})

test('an image as encoders write it is stored byte for byte, and a hostile one leaves no file behind', () => {
  const files = readdirSync(join(folder, 'data'), { recursive: true, withFileTypes: true }).filter(({ name }) =>
    /\.(jpg|png|webp)$/.test(name),
  )
  const [small, images] = [
    files.filter(({ name }) => name.endsWith('.w256.webp')),
    files.filter(({ name }) => !name.endsWith('.w256.webp')),
  ]
  const stored = images.map(({ parentPath, name }) => hashOf(readFileSync(join(parentPath, name))))
  expect(small.filter(({ name }) => !stored.includes(name.slice(0, 64)))).toEqual([])
  expect(stored.toSorted()).toEqual([...new Set([heavy, ...honest.map(({ bytes }) => bytes)].map(hashOf))].toSorted())
  for (const [index, { name, bytes }] of honest.entries()) {
    const outcome = outcomes[hostile.length + 1 + index] as Generation
    expect([name, outcome.status, outcome.images[0]?.sha256]).toEqual([name, 'succeeded', hashOf(bytes)])
  }
})

test('a JPEG with fewer codes than its header says is not taken by its length, whether its server states it or not', async () => {
  // By a link it is asked for again while the link can live.
  for (const path of ['stated.jpg', 'chunked.jpg']) expect(await generate(path, 1)).toMatchObject({ status: 'running', images: [] })
})
