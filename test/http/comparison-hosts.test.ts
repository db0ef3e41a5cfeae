import { request as httpRequest } from 'node:http'
import type { IncomingMessage } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Comparison } from '#contract'
import { hashOfKey } from '../../src/http/access.ts'
import { json, launchGateway } from '../e2e/gateway.ts'
import type { Gateway } from '../e2e/gateway.ts'

let gateway: Gateway
beforeAll(async () => {
  gateway = await launchGateway({ config: `keys: [{ name: one, key_hash: "${hashOfKey('one-key')}" }]` })
})
afterAll(() => gateway.close())

/** The origins of all links to images in an answer to whoever asked under a host; fetch lets no program choose one. */
async function originsSeen(path: string, host: string): Promise<ReadonlySet<string>> {
  const headers = { host, authorization: 'Bearer one-key', prefer: 'wait=30' }
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    httpRequest(gateway.url + path, { headers, agent: false }, resolve)
      .once('error', reject)
      .end()
  })
  const text = Buffer.concat((await reply.toArray()) as Buffer[]).toString()
  return new Set([...text.matchAll(/"(https?:\/\/[^/"]+)\/v1\/images\//g)].map(([, origin = '']) => origin))
}

test.each(['', '/events'])(
  'a comparison that many wait for under hosts of their own has for each the links of the host it asked (%s)',
  async (path) => {
    const headers = { authorization: 'Bearer one-key', prefer: 'respond-async' }
    const begun = await json<Comparison>(await gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'a lighthouse' }, headers))
    const hosts = Array.from({ length: 24 }, (_, index) => `host-${index % 12}.example:8080`)
    const seen = await Promise.all(hosts.map((host) => originsSeen(`/v1/comparisons/${begun.id}${path}`, host)))
    expect(seen.map((origins) => [...origins])).toEqual(hosts.map((host) => [`http://${host}`]))
  },
)
