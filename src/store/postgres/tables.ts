/** A table as it is in both databases, for a move from one to the other. */
export interface Table {
  readonly name: string
  /** Columns, with what they are in PostgreSQL. */
  readonly columns: Readonly<Record<string, 'text' | 'bigint' | 'integer' | 'smallint' | 'boolean'>>
  /** SQL for what the source has no column of, over the source's. */
  readonly made?: Readonly<Record<string, string>>
  /** Columns whose sums are compared. */
  readonly sums: readonly string[]
}

const GENERATION_SUMS = ['number', 'created_at'] as const

/** In the order in which they refer to one another. */
export const TABLES: readonly Table[] = [
  {
    name: 'generations',
    columns: {
      number: 'bigint',
      id: 'text',
      created_at: 'bigint',
      status: 'text',
      open: 'boolean',
      model: 'text',
      provider: 'text',
      key: 'text',
      state: 'text',
    },
    sums: GENERATION_SUMS,
  },
  { name: 'generation_plans', columns: { number: 'bigint', plan: 'text', prompt: 'text' }, made: { prompt: `''` }, sums: ['number'] },
  {
    name: 'generation_metadata',
    columns: { key: 'text', value: 'text', created_at: 'bigint', generation_id: 'text' },
    sums: ['created_at'],
  },
  {
    name: 'images',
    columns: {
      id: 'text',
      generation_id: 'text',
      sha256: 'text',
      format: 'text',
      width: 'integer',
      height: 'integer',
      bytes: 'bigint',
      seed: 'text',
      flagged: 'smallint',
      link_url: 'text',
      link_expires_at: 'bigint',
    },
    sums: ['bytes'],
  },
  {
    name: 'idempotency',
    columns: { scope: 'text', key: 'text', body_hash: 'text', generation_id: 'text', created_at: 'bigint' },
    sums: ['created_at'],
  },
  {
    name: 'comparisons',
    columns: { id: 'text', created_at: 'bigint', key: 'text', unbegun: 'boolean', body: 'text' },
    sums: ['created_at'],
  },
  {
    name: 'ledger',
    columns: {
      seq: 'bigint',
      at: 'bigint',
      kind: 'text',
      generation_id: 'text',
      attempt_id: 'text',
      key: 'text',
      provider: 'text',
      model: 'text',
      amount: 'bigint',
      period: 'text',
      quoted: 'bigint',
      images: 'integer',
      task: 'text',
    },
    sums: ['amount', 'quoted', 'images'],
  },
  { name: 'budgets', columns: { key: 'text', period: 'text', used: 'bigint' }, sums: ['used'] },
  {
    name: 'webhook_deliveries',
    columns: {
      id: 'text',
      created_at: 'bigint',
      generation_id: 'text',
      key: 'text',
      status: 'text',
      origin: 'text',
      next_try_at: 'bigint',
      record: 'text',
    },
    sums: ['created_at', 'next_try_at'],
  },
  { name: 'gateway_keys', columns: { name: 'text', record: 'text' }, sums: [] },
  { name: 'secrets', columns: { name: 'text', value: 'text' }, sums: [] },
  { name: 'configured_keys', columns: { key_hash: 'text', name: 'text' }, sums: [] },
  {
    name: 'provider_hours',
    columns: { provider: 'text', hour: 'integer', succeeded: 'integer', failed: 'integer' },
    sums: ['succeeded', 'failed'],
  },
  {
    name: 'provider_hour_durations',
    columns: { provider: 'text', hour: 'integer', step: 'integer', tasks: 'integer' },
    sums: ['tasks'],
  },
  { name: 'attempt_calls', columns: { generation: 'bigint', attempt: 'integer', calls: 'text' }, sums: ['attempt'] },
]

/** Columns the server counts up itself; after a move it goes on behind the highest. */
export const COUNTED: readonly (readonly [table: string, column: string])[] = [
  ['generations', 'number'],
  ['ledger', 'seq'],
]
