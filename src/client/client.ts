import type {
  AttemptCalls,
  Comparison,
  CostFilters,
  CurrentKey,
  CostReport,
  Generation,
  GenerationRequest,
  GatewayKeyState,
  GatewayKeyWithSecret,
  GenerationStatus,
  Image,
  Latency,
  Model,
  NewGatewayKey,
  PriceEntry,
  ProviderState,
  Quote,
  Reconciliation,
  WebhookDelivery,
} from '#contract'
import { connection, type ClientOptions, type Connection } from './connection.ts'
import { followComparison, followEvents, type ComparisonEvent, type GenerationEvent, type StreamOptions } from './events.ts'
import { sleep } from './sleep.ts'
import { waitForEnd, type WaitOptions } from './wait.ts'

export { ClientError } from './connection.ts'
export type { ClientOptions, ComparisonEvent, GenerationEvent, Model, ProviderState }

export interface ListQuery {
  readonly status?: GenerationStatus
  readonly model?: string
  readonly provider?: string
  /** Words that must all be in the prompt. */
  readonly q?: string
  /** Only those whose cost nobody knows yet. */
  readonly cost?: 'unknown'
  readonly metadata?: Readonly<Record<string, string>>
  readonly cursor?: string
  readonly limit?: number
}

export interface List<Item> {
  readonly object: 'list'
  readonly data: readonly Item[]
}

export interface Page<Item> extends List<Item> {
  readonly has_more: boolean
  readonly next_cursor: string | null
}

export interface ProviderHistory {
  readonly object: 'provider_history'
  readonly provider: string
  readonly sandbox: boolean
  readonly from: string
  readonly to: string
  readonly data: readonly {
    readonly starts_at: string
    readonly succeeded: number
    readonly failed: number
    readonly latency_ms: Latency | null
  }[]
}

/** Rows end one by one, so a comparison is polled rather than waited for. */
const COMPARISON_POLL_MS = 250

export interface CostsQuery {
  /** A day (UTC) or an instant; a day in `to` is included. */
  readonly from?: string | undefined
  readonly to?: string | undefined
  /** `provider`, `model`, `day`, `month`, `key`, `megapixels`, `fidelity`, `metadata.<key>`. */
  readonly groupBy?: readonly string[] | undefined
  /** What the costs are about; absent: everything this key may see. */
  readonly filters?: CostFilters | undefined
}

export interface ReconcileQuery extends Pick<CostsQuery, 'from' | 'to'> {
  /** Settles unknown costs; without it nothing is written. */
  readonly apply?: boolean
  readonly provider?: string | undefined
  readonly taskColumn?: string | undefined
  readonly amountColumn?: string | undefined
  readonly currencyColumn?: string | undefined
  /** `<vendor's task id>=<attempt or generation id>`: whose a task of the invoice is where its id never came back. */
  readonly attach?: readonly string[] | undefined
  /** Of amounts without a currency; default `usd`. */
  readonly unit?: 'usd' | 'cents' | undefined
}

/** The gateway's HTTP interface, typed. Every method rejects with `ClientError`; nothing is retried that could buy twice. */
export interface Client {
  /** Asks for images and answers as soon as they are done or `waitSeconds` (default 0) are over, whichever is first. */
  create(request: GenerationRequest, options?: { readonly waitSeconds?: number; readonly idempotencyKey?: string }): Promise<Generation>
  get(id: string, options?: { readonly waitSeconds?: number }): Promise<Generation>
  /** Watches a generation to its end; `onUpdate` gets each state on the way. */
  wait(id: string, options?: WaitOptions): Promise<Generation>
  /** Every change from the start to the end, as it happens; taken up again where the connection breaks. */
  stream(id: string, options?: StreamOptions): AsyncGenerator<GenerationEvent, void, undefined>
  cancel(id: string): Promise<Generation>
  /** What was said to the vendor in an attempt, counted from 1, and what it answered; without secrets. */
  calls(id: string, attempt: number): Promise<AttemptCalls>
  list(query?: ListQuery): Promise<Page<Generation>>
  /** @param options.signal gives it up, as a form does whose fields have changed */
  quote(request: GenerationRequest, options?: { readonly signal?: AbortSignal }): Promise<Quote>
  /** Runs a request at each of `providers`, or at all that can take it, and answers as soon as it is accepted or `waitSeconds` are over. */
  compare(
    request: GenerationRequest,
    options?: { readonly providers?: readonly string[] | undefined; readonly waitSeconds?: number; readonly idempotencyKey?: string },
  ): Promise<Comparison>
  comparison(id: string): Promise<Comparison>
  /** Every change of each of its generations and each row as it ends, to the end; taken up again where the connection breaks. */
  streamComparison(id: string, options?: StreamOptions): AsyncGenerator<ComparisonEvent, void, undefined>
  /** Newest first. */
  comparisons(query?: Pick<ListQuery, 'cursor' | 'limit'>): Promise<Page<Comparison>>
  /** Watches a comparison to its end; `onUpdate` gets its rows a few times a second. */
  waitForComparison(id: string, options?: WaitOptions<Comparison>): Promise<Comparison>
  costs(query?: CostsQuery): Promise<CostReport>
  /** A row for each attempt, RFC 4180. */
  costsAsCsv(query?: CostsQuery): Promise<string>
  /** A vendor's invoice beside the account; asks for a key of admin scope. */
  reconcile(invoice: { readonly text: string; readonly format: 'csv' | 'jsonl' }, query?: ReconcileQuery): Promise<Reconciliation>
  /** What every offer costs, unpriced ones included. */
  prices(): Promise<readonly PriceEntry[]>
  models(): Promise<readonly Model[]>
  /** One model, with what each of its providers takes beyond the request's fields. */
  model(id: string): Promise<Model>
  providers(): Promise<readonly ProviderState[]>
  /** How a provider did in each hour; the last 24 where nothing is said, at most 31 days. */
  providerHistory(id: string, query?: { readonly from?: string; readonly to?: string }): Promise<ProviderHistory>
  /** The image's bytes, or a small WebP of that width. The gateway key is never sent for them. */
  image(image: Pick<Image, 'url'>, options?: { readonly width?: 64 | 128 | 256 | 512 | 1024 }): Promise<Uint8Array>
  /** Webhooks of one generation, newest first. */
  deliveries(generationId: string): Promise<readonly WebhookDelivery[]>
  redeliver(id: string): Promise<WebhookDelivery>
  /** The key this client sends, what it may do and what is left of its budget. */
  currentKey(): Promise<CurrentKey>
  /** Gateway keys; like the next three it asks for a key of admin scope. */
  keys(): Promise<readonly GatewayKeyState[]>
  createKey(key: NewGatewayKey): Promise<GatewayKeyWithSecret>
  rotateKey(name: string): Promise<GatewayKeyWithSecret>
  revokeKey(name: string): Promise<void>
  /** Whether a gateway answers; never rejects. */
  isUp(): Promise<boolean>
  /** The bytes of a stored image by its id, such as that of a reference. @throws ClientError */
  storedImage(id: string): Promise<Uint8Array<ArrayBuffer>>
  /** Where this client reaches an image, whatever address the gateway calls itself by. */
  imageAddress(image: Pick<Image, 'url'>): string
}

export function createClient(options: ClientOptions): Client {
  const { json, text, bytes, stream, here } = connection(options)
  const generation = (id: string) => `/v1/generations/${encodeURIComponent(id)}`
  const prefer = (seconds: number): Record<string, string> => ({ prefer: seconds > 0 ? `wait=${Math.ceil(seconds)}` : 'respond-async' })
  const comparison: Client['comparison'] = (id) => json('GET', `/v1/comparisons/${encodeURIComponent(id)}`)
  const get: Client['get'] = (id, { waitSeconds = 0 } = {}) => json('GET', generation(id), { headers: prefer(waitSeconds) })
  return {
    get,
    create: (body, { waitSeconds = 0, idempotencyKey } = {}) =>
      json('POST', '/v1/generations', {
        body,
        headers: { ...prefer(waitSeconds), ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }) },
      }),
    wait: (id, options) => waitForEnd(() => get(id, { waitSeconds: 1 }), options),
    stream: (id, options) => followEvents(stream, `${generation(id)}/events`, options),
    cancel: (id) => json('POST', `${generation(id)}/cancel`),
    calls: (id, attempt) => json('GET', `${generation(id)}/attempts/${attempt}/calls`),
    list: (query = {}) => json('GET', `/v1/generations?${search(query).toString()}`),
    quote: (body, { signal } = {}) => json('POST', '/v1/quotes', { body, signal }),
    compare: (request, { providers, waitSeconds = 0, idempotencyKey } = {}) =>
      json('POST', '/v1/comparisons', {
        body: { ...request, ...(providers === undefined ? {} : { providers }) },
        headers: { ...prefer(waitSeconds), ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }) },
      }),
    comparison,
    streamComparison: (id, options) => followComparison(stream, `/v1/comparisons/${encodeURIComponent(id)}/events`, options),
    waitForComparison: (id, options) =>
      waitForEnd(async () => {
        await sleep(COMPARISON_POLL_MS)
        return comparison(id)
      }, options),
    costs: (query) => json('GET', `/v1/costs?${costsSearch(query).toString()}`),
    costsAsCsv: (query) => text(`/v1/costs?${costsSearch(query).toString()}&format=csv`),
    reconcile: (
      { text: body, format },
      { apply, provider, from, to, taskColumn, amountColumn, currencyColumn, unit, attach = [] } = {},
    ) => {
      const columns = { task_column: taskColumn, amount_column: amountColumn, currency_column: currencyColumn, unit }
      const fields = { apply: apply === true ? 'true' : undefined, provider, from, to, ...columns, metadata: {} }
      const query = search(fields)
      for (const text of attach) query.append('attach', text)
      const type = format === 'csv' ? 'text/csv' : 'application/x-ndjson'
      return json('POST', `/v1/reconciliations?${query.toString()}`, { body, headers: { 'content-type': type } })
    },
    comparisons: ({ cursor, limit } = {}) => {
      const fields = { cursor, limit, metadata: {} }
      return json('GET', `/v1/comparisons?${search(fields).toString()}`)
    },
    ...operating(json),
    isUp: () =>
      json('GET', '/healthz').then(
        () => true,
        () => false,
      ),
    storedImage: async (id) =>
      new Uint8Array(await new Response(await stream(`/v1/images/${encodeURIComponent(id)}`, { accept: 'image/*' })).arrayBuffer()),
    imageAddress: ({ url }) => here(url),
    providerHistory: (id, query = {}) =>
      json('GET', `/v1/providers/${encodeURIComponent(id)}/history?${search({ ...query, metadata: {} }).toString()}`),
    image: ({ url }, { width } = {}) => bytes(width === undefined ? here(url) : withWidth(here(url), width)),
  }
}

function withWidth(url: string, width: number): string {
  const small = new URL(url)
  small.searchParams.set('w', String(width))
  return small.href
}

const costsSearch = ({ from, to, groupBy, filters: { metadata = {}, ...filters } = {} }: CostsQuery = {}): URLSearchParams => {
  const fields = { from, to, group_by: groupBy?.join(','), ...filters, metadata }
  return search(fields)
}

interface Search {
  readonly metadata?: Readonly<Record<string, string>>
}

function search({ metadata = {}, ...query }: Search): URLSearchParams {
  const plain = Object.entries<unknown>(query).flatMap(([name, value]) =>
    typeof value === 'string' || typeof value === 'number' ? [[name, String(value)]] : [],
  )
  return new URLSearchParams([...plain, ...Object.entries(metadata).map(([name, value]) => [`metadata.${name}`, value])])
}

/** The catalogue, webhooks and gateway keys. */
const operating = (json: Connection['json']) => ({
  prices: async () => (await json<List<PriceEntry>>('GET', '/v1/prices')).data,
  models: async () => (await json<List<Model>>('GET', '/v1/models')).data,
  model: (id: string): Promise<Model> => json('GET', `/v1/models/${encodeURIComponent(id)}`),
  providers: async () => (await json<List<ProviderState>>('GET', '/v1/providers')).data,
  deliveries: async (generationId: string) =>
    (await json<List<WebhookDelivery>>('GET', `/v1/webhooks/deliveries?generation_id=${encodeURIComponent(generationId)}`)).data,
  redeliver: (id: string): Promise<WebhookDelivery> => json('POST', `/v1/webhooks/deliveries/${encodeURIComponent(id)}/retry`),
  currentKey: (): Promise<CurrentKey> => json('GET', '/v1/key'),
  keys: async () => (await json<List<GatewayKeyState>>('GET', '/v1/keys')).data,
  createKey: (body: NewGatewayKey): Promise<GatewayKeyWithSecret> => json('POST', '/v1/keys', { body }),
  rotateKey: (name: string): Promise<GatewayKeyWithSecret> => json('POST', `/v1/keys/${encodeURIComponent(name)}/rotate`),
  revokeKey: (name: string): Promise<void> => json('DELETE', `/v1/keys/${encodeURIComponent(name)}`),
})
