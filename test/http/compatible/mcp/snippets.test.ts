import { afterAll, beforeAll, expect, test } from 'vitest'
import { hashOfKey } from '../../../../src/http/access.ts'
import { launchGateway } from '../../../e2e/gateway.ts'
import type { Gateway } from '../../../e2e/gateway.ts'
import { projectFolder, runModule, snippetsOf } from '../../../support/snippets.ts'
import { connect } from './clients.ts'

const ADDRESS = 'http://127.0.0.1:8080'
const snippets = snippetsOf('docs/clients.md')

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway()
})
afterAll(() => gateway.close())

/** A snippet as it stands in the document, but for the gateway's address. */
function here(id: string, url: string): string {
  const code = snippets.get(id)?.code ?? ''
  expect(code).toContain(ADDRESS)
  return code.replaceAll(ADDRESS, url)
}

test('every MCP snippet of docs/clients.md is played here', () => {
  expect([...snippets.keys()].filter((id) => id.startsWith('mcp-'))).toEqual([
    'mcp-claude-code',
    'mcp-json',
    'mcp-client-v2',
    'mcp-client-v1',
  ])
})

test.each(['mcp-client-v2', 'mcp-client-v1'])('%s prints the text and the link of an image', async (id) => {
  const project = projectFolder({ 'snippet.mjs': here(id, gateway.url) })
  try {
    const { stdout } = await runModule(project.folder, 'snippet.mjs')
    expect(stdout).toMatch(/^succeeded: 1 image from [a-z]+, 0\.\d+ USD/)
    expect(stdout).toMatch(/\nhttp:\/\/127\.0\.0\.1:\d+\/v1\/images\/img_\w+\.(jpg|png|webp) 0\.\d+\n$/)
  } finally {
    project.remove()
  }
})

test('mcp-json and mcp-claude-code name an address and a key that are taken', async () => {
  const keyed = await launchGateway({ config: `keys: [{ name: team, key_hash: "${hashOfKey('team-key')}" }]` })
  try {
    const { mcpServers } = JSON.parse(here('mcp-json', keyed.url).replace('${IMAGEGATE_KEY}', 'team-key')) as {
      readonly mcpServers: {
        readonly imagegate: { readonly type: string; readonly url: string; readonly headers: { readonly Authorization: string } }
      }
    }
    const { type, url, headers } = mcpServers.imagegate
    expect(type).toBe('http')
    const agent = await connect(url.replace(/\/mcp$/, ''), headers.Authorization.replace(/^Bearer /, ''))
    expect(await agent.list()).not.toEqual([])
    await agent.close()
    const command = here('mcp-claude-code', keyed.url)
    expect(command).toContain(` ${url} `)
    expect(command).toContain('"Authorization: Bearer $IMAGEGATE_KEY"')
  } finally {
    await keyed.close()
  }
})
