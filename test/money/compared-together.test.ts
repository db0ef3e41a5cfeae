import { createServer } from 'node:http'
import sharp from 'sharp'
import { expect, test } from 'vitest'
import { connect } from '../http/compatible/mcp/clients.ts'
import { gatewayWith, listening } from '../support/for-one-test.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const drawn = (side: number) =>
  sharp({ create: { width: side, height: side, channels: 3, background: '#468' } })
    .png()
    .toBuffer()
const [SMALL, LARGE] = [await drawn(512), await drawn(2048)]

/** A link whose image is the first time another one, or under `/late` none. */
async function turningLinks(): Promise<string> {
  const seen = new Set<string>()
  const server = createServer(({ url = '' }, response) => {
    const isFirst = !seen.has(url)
    seen.add(url)
    if (isFirst && url === '/late') return void response.writeHead(503).end()
    response.writeHead(200, { 'content-type': 'image/png' }).end(isFirst ? SMALL : LARGE)
  })
  return listening(server)
}

const amountsOf = (facts: Record<string, unknown> = {}) =>
  (facts['summary'] as readonly { readonly amount: string | null }[]).map(({ amount }) => amount)

test('a comparison by MCP whose link turns costs at most its ceiling, and the same call again answers with it', async () => {
  const overrides = { providers: ['bfl', 'runware'], sandboxTypicalMs: 20 }
  const [links, { url }] = await Promise.all([turningLinks(), gatewayWith('network: { allow: ["127.0.0.0/8"] }\n', overrides)])
  const agent = await connect(url)
  const compare = (path: string) =>
    agent.call('compare', {
      model: 'flux-2-pro',
      prompt: 'a tree',
      width: 1024,
      height: 1024,
      reference_images: [links + path],
      max_price_usd: '0.10',
      idempotency_key: path,
    })
  for (const [path, amounts] of [
    ['/turn', ['0.045', '0.045']],
    ['/late', [null, null]],
  ] as const) {
    const compared = await compare(path)
    expect({ path, amounts: amountsOf(compared.facts) }).toEqual({ path, amounts })
    expect((await compare(path)).facts).toEqual(compared.facts)
  }
  await agent.close()
}, 30_000)
