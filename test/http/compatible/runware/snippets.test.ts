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

/** What a snippet prints, as it stands in the document but for the gateway's address. */
async function printed(id: string): Promise<string> {
  const code = snippets.get(id)?.code ?? ''
  expect(code).toContain(ADDRESS)
  const project = projectFolder({ 'snippet.mjs': code.replaceAll(ADDRESS, new URL(gateway.url).host) })
  try {
    return (await runModule(project.folder, 'snippet.mjs')).stdout
  } finally {
    project.remove()
  }
}

test('every Runware snippet of docs/clients.md is played here', () => {
  expect([...snippets.keys()].filter((id) => id.startsWith('runware-'))).toEqual(['runware-sdk', 'runware-http'])
})

test('runware-sdk prints a link and the cost of each image', async () => {
  expect(await printed('runware-sdk')).toMatch(/^(http:\/\/127\.0\.0\.1:\d+\/v1\/images\/img_\w+\.jpg 0\.045\n){2}$/)
})

test('runware-http prints a link, the cost and the provider', async () => {
  expect(await printed('runware-http')).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/v1\/images\/img_\w+\.jpg 0\.045 [a-z]+\n$/)
})
