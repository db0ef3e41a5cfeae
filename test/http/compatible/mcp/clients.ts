import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as FirstClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as FirstTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'

/** A tool as a client received it. */
export interface ListedTool {
  readonly name: string
  readonly description?: string | undefined
  readonly inputSchema: Readonly<Record<string, unknown>>
  readonly outputSchema?: Readonly<Record<string, unknown>> | undefined
}

export interface Called {
  readonly isError: boolean
  readonly text: string
  readonly facts: Record<string, unknown> | undefined
  /** Everything that came back. */
  readonly raw: unknown
}

/** A real client, whichever SDK it is from. */
export interface Agent {
  list(): Promise<readonly ListedTool[]>
  call(tool: string, given?: Record<string, unknown>): Promise<Called>
  close(): Promise<void>
}

const IDENTITY = { name: 'test', version: '1.0.0' }
const endpoint = (url: string): URL => new URL(`${url}/mcp`)
const withKey = (key: string | undefined) => (key === undefined ? {} : { requestInit: { headers: { authorization: `Bearer ${key}` } } })

function called(result: object): Called {
  const { content, structuredContent, isError } = result as {
    readonly content: readonly { readonly type: string; readonly text?: string }[]
    readonly structuredContent?: Record<string, unknown>
    readonly isError?: boolean
  }
  return { isError: isError === true, text: content.map(({ text }) => text ?? '').join('\n'), facts: structuredContent, raw: result }
}

async function second(mode: 'legacy' | 'auto', url: string, key?: string): Promise<Agent> {
  const client = new Client(IDENTITY, { versionNegotiation: { mode } })
  await client.connect(new StreamableHTTPClientTransport(endpoint(url), withKey(key)))
  return {
    list: async () => (await client.listTools()).tools,
    call: async (name, given = {}) => called(await client.callTool({ name, arguments: given })),
    close: () => client.close(),
  }
}

async function first(url: string, key?: string): Promise<Agent> {
  const client = new FirstClient(IDENTITY)
  await client.connect(new FirstTransport(endpoint(url), withKey(key)))
  return {
    list: async () => (await client.listTools()).tools,
    call: async (name, given = {}) => called(await client.callTool({ name, arguments: given })),
    close: () => client.close(),
  }
}

export const connect = (url: string, key?: string): Promise<Agent> => second('auto', url, key)

/** Every client the API is for, with the revision of the protocol it speaks. */
export const CLIENTS: readonly (readonly [string, (url: string, key?: string) => Promise<Agent>])[] = [
  ['SDK v1', first],
  ['SDK v2 before revision 2026-07-28', (url, key) => second('legacy', url, key)],
  ['SDK v2 at revision 2026-07-28', connect],
]
