import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { startGateway } from '../../src/gateway/start.ts'
import { countWords } from './words.ts'

describe('the OpenAPI document', () => {
  test('has none of the banned words', async () => {
    const dataDirectory = mkdtempSync(join(tmpdir(), 'imagegate-openapi-'))
    const gateway = await startGateway({ env: {}, overrides: { dataDirectory, port: 0, quiet: true } })
    try {
      const reply = await fetch(`${gateway.url}/openapi.json`)
      expect(reply.status).toBe(200)
      expect(countWords(await reply.text())).toEqual({})
    } finally {
      await gateway.close()
      rmSync(dataDirectory, { recursive: true, force: true })
    }
  })
})
