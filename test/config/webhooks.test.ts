import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { accepted, load } from './load-config.ts'

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

describe('webhook secrets', () => {
  test('are none by default', async () => {
    expect((await accepted('')).config.webhooks.secrets).toEqual([])
  })

  test('come from variables, in order, and are never printed', async () => {
    const { config } = await accepted('webhooks: { secrets: ["${NEW}", "${OLD}"] }', { NEW: SECRET, OLD: `${SECRET.slice(0, -2)}A=` })
    expect(config.webhooks.secrets.map((secret) => secret.reveal())).toEqual([SECRET, `${SECRET.slice(0, -2)}A=`])
    expect(inspect(config, { depth: 9 }) + JSON.stringify(config)).not.toContain(SECRET)
  })

  test.each([
    ['without its prefix', SECRET.slice(6)],
    ['that is too short', 'whsec_AAAA'],
    ['that is not base64', `whsec_${'!'.repeat(40)}`],
  ])('one %s is refused with its line and column, without being repeated', async (_, secret) => {
    const { lines } = await load('webhooks:\n  secrets:\n    - "${ONE}"\n', { ONE: secret })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toContain('imagegate.yaml:3:7')
    expect(lines[0]).toContain('openssl rand -base64 32')
    expect(lines[0]).not.toContain(secret)
  })

  test('whose variable is not set are refused by the variable’s name', async () => {
    expect((await load('webhooks: { secrets: ["${MISSING}"] }')).lines.join('\n')).toContain('MISSING is not set')
  })

  test('an empty list is refused: leave it out for the gateway’s own', async () => {
    expect((await load('webhooks: { secrets: [] }')).config).toBeNull()
  })
})
