import sharp from 'sharp'
import { expect, test } from 'vitest'
import type { Generation } from '#contract'
import { gatewayWith } from '../support/for-one-test.ts'
import { startOddVendor } from '../support/odd-relay.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const IMAGE = await sharp({ create: { width: 1024, height: 1024, channels: 3, background: '#468' } })
  .jpeg()
  .toBuffer()

/** How each vendor says that a task was taken, that it is done, and where its image is. */
const VENDORS: Readonly<Record<string, { readonly taken: (base: string) => object; readonly done: (link: string | null) => object }>> = {
  bfl: {
    taken: (base) => ({ id: 'a-task', polling_url: `${base}/v1/get_result?id=a-task`, cost: 3 }),
    done: (sample) => ({ id: 'a-task', status: 'Ready', result: sample === null ? null : { sample } }),
  },
  vtrix: {
    taken: () => ({ id: 'a-task', status: 'in_progress' }),
    done: (url) => ({
      id: 'a-task',
      status: 'completed',
      output: url === null ? [] : [{ content: [{ type: 'image', url }] }],
      usage: { cost: '0.03' },
    }),
  },
  replicate: {
    taken: (base) => ({ id: 'a-task', status: 'starting', urls: { get: `${base}/v1/predictions/a-task` } }),
    done: (output) => ({ id: 'a-task', status: 'succeeded', output }),
  },
}

async function generate(provider: string, emptyEnds: number): Promise<{ readonly end: Generation; readonly submits: number }> {
  let polls = 0
  let submits = 0
  const url = await startOddVendor((sent, path, base) => {
    if (path === '/image.jpg') return { body: IMAGE }
    if (sent === '') return { body: VENDORS[provider]?.done(polls++ < emptyEnds ? null : `${base}/image.jpg`) ?? {} }
    submits++
    return { body: VENDORS[provider]?.taken(base) ?? {} }
  })
  const gateway = await gatewayWith(
    `network: { allow: ["127.0.0.0/8"] }\nproviders: { ${provider}: { api_key: a-vendor-key-0123, base_url: "${url}" } }\n`,
  )
  const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a tree', width: 1024, height: 1024 })
  const headers = { 'content-type': 'application/json', prefer: 'wait=40' }
  const end = (await (await fetch(`${gateway.url}/v1/generations`, { method: 'POST', headers, body })).json()) as Generation
  return { end, submits }
}

test.each(Object.keys(VENDORS))(
  'a task of %s that is said to be done before its image is there is asked for again, and delivered',
  async (provider) => {
    const [late, never] = await Promise.all([generate(provider, 2), generate(provider, Infinity)])
    expect(late).toMatchObject({ submits: 1, end: { status: 'succeeded', error: null } })
    expect(never).toMatchObject({ submits: 1, end: { status: 'failed', error: { code: 'bad_reply' } } })
  },
  60_000,
)
