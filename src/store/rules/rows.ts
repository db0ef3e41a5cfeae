import type { Routing } from '#contract'
import { readGeneration } from '../../core/blank-records.ts'
import type { GenerationRecord, ImageRecord } from '../../core/records.ts'
import { StoreError } from '../../core/ports.ts'
import type { IdempotencyEntry } from '../../core/ports.ts'

/** A row as the database gives it. The columns' types are held by tables that only the store writes. */
export type Row = Readonly<Record<string, unknown>>

type Considered = Routing['considered'][number]

/** What a query reads of a generation: `state` and `plan`, the two halves of its record. */
export const GENERATION = 'generations AS g JOIN generation_plans AS p USING (number)'

/**
 * @param offerOf what a number among the considered offers stands for, where the store keeps one for many plans
 * @throws StoreError `damaged` where it is not what was written
 */
export function generationOf(row: Row, offerOf?: (number: number) => Considered): GenerationRecord {
  const plan = String(row['plan'])
  try {
    const read = Object.assign(JSON.parse(plan) as object, JSON.parse(String(row['state'])) as object) as GenerationRecord
    return readGeneration(offerOf ? { ...read, routing: routingInFull(read.routing, offerOf) } : read)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const id = /"id":"(gen_[0-9a-f]+)"/.exec(plan)?.[1] ?? 'a generation'
    throw new StoreError('damaged', `the row of ${id} in the database is damaged: ${error.message}; restore a backup`, { cause: error })
  }
}

/** A routing some of whose considered offers may be numbers, as it is without them. */
export const routingInFull = (routing: Routing, offerOf: (number: number) => Considered): Routing => ({
  ...routing,
  considered: routing.considered.map((offer: Considered | number) => (typeof offer === 'number' ? offerOf(offer) : offer)),
})

export function imageOf(row: Row): ImageRecord {
  const column = row as unknown as ImageColumns
  return {
    id: column.id,
    generationId: column.generation_id,
    sha256: column.sha256,
    format: column.format,
    width: column.width,
    height: column.height,
    bytes: column.bytes,
    seed: column.seed,
    flagged: column.flagged === null ? null : column.flagged === 1,
    link: column.link_url === null ? null : { url: column.link_url, expiresAt: column.link_expires_at },
  }
}

interface ImageColumns extends Pick<ImageRecord, 'id' | 'sha256' | 'format' | 'width' | 'height' | 'bytes' | 'seed'> {
  readonly generation_id: string
  readonly flagged: 0 | 1 | null
  readonly link_url: string | null
  readonly link_expires_at: number | null
}

export const idempotencyOf = (row: Row): IdempotencyEntry => ({
  scope: String(row['scope']),
  key: String(row['key']),
  bodyHash: String(row['body_hash']),
  generationId: String(row['generation_id']),
  createdAt: Number(row['created_at']),
})

/** Whether an attempt of a generation was settled as unknown and not settled since. @param id SQL for the generation's id */
export const costUnknown = (id: string): string =>
  `EXISTS (SELECT 1 FROM ledger AS u WHERE u.generation_id = ${id} AND u.kind = 'unknown'
    AND NOT EXISTS (SELECT 1 FROM ledger AS a WHERE a.attempt_id = u.attempt_id AND a.kind = 'adjusted'))`
