import type { Call } from '#contract'
import { Secret } from '../../src/transport/secret.ts'
import { createTransport } from '../../src/transport/index.ts'

/** Run by suspended.test.ts as a process of its own: makes all these calls at once, is suspended meanwhile, and prints how each ended. */
const [baseUrl = '', timeout] = process.argv.slice(2)
const timeoutMs = Number(timeout)
const transport = createTransport({
  providers: [{ id: 'acme', manifest: { hosts: [], auth: { header: 'x-key', env: 'X' } }, baseUrl, apiKey: new Secret('a key of acme') }],
  allow: [],
})

async function submit(url: string): Promise<unknown> {
  const call: Call = { purpose: 'submit', method: 'POST', url, body: { prompt: 'cat' } }
  return transport.send('acme', call, timeoutMs)
}

async function download(limits: { readonly silenceMs: number; readonly timeoutMs?: number }): Promise<unknown> {
  const downloaded = await transport.download(`${baseUrl}/image`, { maxBytes: 10_000_000, trustedProvider: 'acme', ...limits })
  return downloaded.kind === 'body' ? Buffer.concat(await downloaded.stream.toArray()).length : downloaded
}

const [meanwhile, soonAfter, never, withSilence, withinTime] = await Promise.all([
  submit('/meanwhile'),
  submit('/soon-after'),
  submit('/never'),
  download({ silenceMs: timeoutMs }),
  download({ silenceMs: 60_000, timeoutMs }),
])
process.stdout.write(JSON.stringify({ meanwhile, soonAfter, never, withSilence, withinTime }))
await transport.close()
