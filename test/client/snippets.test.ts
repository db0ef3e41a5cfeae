import { symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { launchGateway } from '../e2e/gateway.ts'
import { projectFolder, runModule, snippetsOf } from '../support/snippets.ts'
import { readText, ROOT } from '../support/source-tree.ts'

const ADDRESS = 'http://127.0.0.1:8080'

test('imagegate-client prints the price at each provider, the states, then the link and the cost', async () => {
  const code = snippetsOf('docs/clients.md').get('imagegate-client')?.code ?? ''
  expect(code).toContain(ADDRESS)
  const gateway = await launchGateway({ typicalMs: 100 })
  const project = projectFolder({ 'snippet.ts': code.replaceAll(ADDRESS, gateway.url) })
  symlinkSync(join(ROOT, 'src'), join(project.folder, 'src'))
  try {
    const { stdout } = await runModule(project.folder, 'snippet.ts')
    expect(stdout).toMatch(/^bfl 0\.03, runware 0\.03, vtrix no price\n/)
    expect(stdout).toMatch(/\nrunning /)
    expect(stdout).toMatch(/\nhttp:\/\/127\.0\.0\.1:\d+\/v1\/images\/img_\w+\.jpg 0\.03\n$/)
  } finally {
    project.remove()
    await gateway.close()
  }
})

test('every fenced block of docs/clients.md is a snippet, and some test plays it', () => {
  const snippets = [...snippetsOf('docs/clients.md').keys()]
  expect(readText('docs/clients.md').match(/^```[a-z]+$/gm)).toHaveLength(snippets.length)
  const played = /^(openai|vercel-openai|bfl|vercel-bfl|runware|mcp|imagegate)-/
  expect(snippets.filter((id) => !played.test(id))).toEqual([])
})
