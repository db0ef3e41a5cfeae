import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** What a vendor answered, as JSON, to be answered otherwise; `path` has no query. */
export interface Answered {
  readonly method: string
  readonly path: string
  readonly status: number
  readonly body: Record<string, unknown>
}

export interface ChangedVendor {
  readonly url: string
  /** Method and path of each request, in order. */
  readonly heard: readonly string[]
  /** Changes an answer in place, or gives one of its own with another status. */
  change: (answered: Answered) => { readonly status: number; readonly body: unknown } | void
}

/** A vendor that changed behind our back: a server before an emulator, which rewrites its JSON. It ends with the test. */
export async function changedVendor(upstream: string): Promise<ChangedVendor> {
  const heard: string[] = []
  const vendor = { url: '', heard, change: () => {} } as { -readonly [Field in keyof ChangedVendor]: ChangedVendor[Field] }
  const server = http.createServer((request, response) => void answer(request, response).catch(() => response.destroy()))
  async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const { method = 'GET', url = '/' } = request
    heard.push(`${method} ${url}`)
    const headers = Object.fromEntries(
      ['content-type', 'authorization', 'x-key', 'x-goog-api-key'].flatMap((name) => {
        const value = request.headers[name]
        return typeof value === 'string' ? [[name, value]] : []
      }),
    )
    const body = Buffer.concat(chunks)
    const reply = await fetch(upstream + url, { method, headers, ...(body.length > 0 ? { body } : {}) })
    const type = reply.headers.get('content-type') ?? 'application/octet-stream'
    const kept = [...reply.headers].filter(([name]) => name.startsWith('x-') || name === 'retry-after')
    if (!type.includes('json')) {
      response.writeHead(reply.status, [['content-type', type], ...kept].flat()).end(Buffer.from(await reply.arrayBuffer()))
      return
    }
    const text = (await reply.text()).replaceAll(upstream, vendor.url)
    const answered: Answered = {
      method,
      path: url.replace(/\?.*$/, ''),
      status: reply.status,
      body: JSON.parse(text) as Record<string, unknown>,
    }
    const other = vendor.change(answered)
    response
      .writeHead(other?.status ?? reply.status, [['content-type', type], ...kept].flat())
      .end(JSON.stringify(other?.body ?? answered.body))
  }
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  vendor.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return vendor
}
