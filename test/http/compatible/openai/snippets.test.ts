import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchGateway } from '../../../e2e/gateway.ts'
import type { Gateway } from '../../../e2e/gateway.ts'
import { projectFolder, runModule, snippetsOf } from '../../../support/snippets.ts'
import { image } from './client.ts'

const ADDRESS = 'http://127.0.0.1:8080'

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway()
})
afterAll(() => gateway.close())

const snippets = snippetsOf('docs/clients.md')

/** A snippet as it stands in the document, but for the gateway's address. */
async function play(id: string): Promise<{ readonly stdout: string; readonly made: (name: string) => Promise<string> }> {
  const code = snippets.get(id)?.code ?? ''
  expect(code).toContain(ADDRESS)
  const project = projectFolder({
    'snippet.mjs': code.replaceAll(ADDRESS, gateway.url),
    'table.png': await image(512, 512, 'brown'),
    'lamp.png': await image(512, 512, 'yellow'),
  })
  try {
    const { stdout } = await runModule(project.folder, 'snippet.mjs')
    const files = new Map(['edited.jpg', 'lighthouse.jpg'].map((name) => [name, read(join(project.folder, name))]))
    const made = async (name: string) => {
      const { format, width, height } = await sharp(files.get(name) ?? Buffer.alloc(0)).metadata()
      return `${format} ${width}x${height}`
    }
    return { stdout, made }
  } finally {
    project.remove()
  }
}

function read(path: string): Buffer | null {
  try {
    return readFileSync(path)
  } catch {
    return null
  }
}

test('every OpenAI snippet of docs/clients.md is played here', () => {
  const own = [...snippets.keys()].filter((id) => id.startsWith('openai-') || id.startsWith('vercel-openai-'))
  expect(own).toEqual([
    'openai-generate',
    'openai-edit',
    'openai-stream',
    'openai-extra-fields',
    'openai-errors',
    'vercel-openai-generate',
    'vercel-openai-edit',
  ])
})

test('openai-generate prints a link, the provider and the cost', async () => {
  const { stdout } = await play('openai-generate')
  expect(stdout).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1\/images\/img_\w+\.(jpg|png|webp)\n[a-z]+ 0\.\d+\n$/)
})

test('openai-edit writes an image', async () => {
  const { made } = await play('openai-edit')
  expect(await made('edited.jpg')).toMatch(/^jpeg \d+x\d+$/)
})

test('openai-stream prints size, length and cost', async () => {
  expect((await play('openai-stream')).stdout).toMatch(/^\d+x\d+ \d+ 0\.\d+\n$/)
})

test('openai-extra-fields prints a link', async () => {
  expect((await play('openai-extra-fields')).stdout).toContain('/v1/images/img_')
})

test('openai-errors prints OpenAI’s code and our generation', async () => {
  expect((await play('openai-errors')).stdout).toMatch(/^400 moderation_blocked gen_\w+\n$/)
})

test('vercel-openai-generate writes the image in its size and prints provider and cost', async () => {
  const { stdout, made } = await play('vercel-openai-generate')
  expect(await made('lighthouse.jpg')).toBe('jpeg 1536x1024')
  expect(stdout).toMatch(/^[a-z]+ 0\.\d+\n$/)
})

test('vercel-openai-edit writes an image', async () => {
  const { made } = await play('vercel-openai-edit')
  expect(await made('edited.jpg')).toMatch(/^jpeg \d+x\d+$/)
})
