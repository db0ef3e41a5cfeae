import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { DELIVERY_DELAYS_MS } from '../../src/core/webhooks/retry-schedule.ts'
import { newWebhookSecret, signedHeaders } from '../../src/core/webhooks/signature.ts'
import { projectFolder, snippetsOf } from '../support/snippets.ts'
import { readText } from '../support/source-tree.ts'

test('the verifier of docs/webhooks.md takes what the gateway signs and nothing else', async () => {
  const project = projectFolder({ 'snippet.mjs': snippetsOf('docs/webhooks.md').get('webhook-verify')?.code ?? '' })
  try {
    const { readEvent } = (await import(pathToFileURL(join(project.folder, 'snippet.mjs')).href)) as {
      readEvent: (body: string, headers: object, secret: string) => unknown
    }
    const [secret, old] = [newWebhookSecret(), newWebhookSecret()]
    const body = JSON.stringify({ type: 'generation.succeeded', data: { id: 'gen_1' } })
    const headers = signedHeaders([secret, old], 'msg_1', Math.floor(Date.now() / 1000), body)
    expect(readEvent(body, headers, secret)).toEqual(JSON.parse(body))
    expect(readEvent(body, headers, old)).toEqual(JSON.parse(body))
    expect(() => readEvent(body.replace('gen_1', 'gen_2'), headers, secret)).toThrow()
    expect(() => readEvent(body, headers, newWebhookSecret())).toThrow()
  } finally {
    project.remove()
  }
})

test('docs/webhooks.md names every wait of the schedule', () => {
  const inWords = (ms: number) => (ms < 60_000 ? `${ms / 1_000} s` : ms < 3_600_000 ? `${ms / 60_000} min` : `${ms / 3_600_000} h`)
  const words = DELIVERY_DELAYS_MS.map(inWords)
  expect(readText('docs/webhooks.md')).toContain(`${words.slice(0, -1).join(', ')} and ${words.at(-1)}`)
})
