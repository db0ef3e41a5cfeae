import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import sharp from 'sharp'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { launchGateway } from '../../../e2e/gateway.ts'
import type { Gateway } from '../../../e2e/gateway.ts'
import { projectFolder, runModule, snippetsOf } from '../../../support/snippets.ts'

const ADDRESS = '127.0.0.1:8080'
const snippets = snippetsOf('docs/clients.md')

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway()
})
afterAll(() => gateway.close())

/** A snippet as it stands in the document, but for the gateway's address. */
async function play<Result>(id: string, read: (stdout: string, folder: string) => Result | Promise<Result>): Promise<Result> {
  const code = snippets.get(id)?.code ?? ''
  expect(code).toContain(ADDRESS)
  const project = projectFolder({ 'snippet.mjs': code.replaceAll(ADDRESS, new URL(gateway.url).host) })
  try {
    return await read((await runModule(project.folder, 'snippet.mjs')).stdout, project.folder)
  } finally {
    project.remove()
  }
}

test('every BFL snippet of docs/clients.md is played here', () => {
  const own = [...snippets.keys()].filter((id) => id.startsWith('bfl-') || id.startsWith('vercel-bfl-'))
  expect(own).toEqual(['bfl-http', 'vercel-bfl-generate'])
})

test('bfl-http prints the status, the cost in credits and a link', async () => {
  expect(await play('bfl-http', (stdout) => stdout)).toMatch(/^Ready 4\.5 http:\/\/127\.0\.0\.1:\d+\/v1\/images\/img_\w+\.jpg\n$/)
})

test('vercel-bfl-generate writes the image in its size and prints seed and cost', async () => {
  const { stdout, size } = await play('vercel-bfl-generate', async (stdout, folder) => {
    const { width, height, format } = await sharp(readFileSync(join(folder, 'lighthouse.jpg'))).metadata()
    return { stdout, size: `${format} ${width}x${height}` }
  })
  expect([stdout, size]).toEqual(['42 4.5\n', 'jpeg 1536x1024'])
})
