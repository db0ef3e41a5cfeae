import { ClaimLost, IdempotencyConflict, KeyConflict } from '../../../core/ports.ts'
import type { DeliveryChange } from '../../../core/ports.ts'
import type { ImageRecord } from '../../../core/records.ts'
import { deliveryRowOf } from '../../rules/delivery-row.ts'
import type { ChangeKind } from '../change.ts'
import { KEY_CONFLICT } from '../../rules/key-names.ts'
import { sayStatement } from '../messages.ts'
import { prepare } from '../statement.ts'
import type { Statement } from '../statement.ts'

const take = prepare(
  'INSERT INTO idempotency (scope, key, body_hash, generation_id, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING',
)

/** Takes the (scope, key) for a generation; a taken one refuses the whole unit. Of several at once, the others wait for the first. */
export const idempotencyChange: ChangeKind = ({ idempotency: entry }) => {
  if (entry === undefined) return []
  const { scope, key, bodyHash, generationId, createdAt } = entry
  return [
    {
      ...take(scope, key, bodyHash, generationId, createdAt),
      check({ count }) {
        if (count === 0) throw new IdempotencyConflict('this idempotency key is already taken')
      },
    },
  ]
}

const keepCalls = prepare(
  'INSERT INTO attempt_calls (generation, attempt, calls) SELECT number, $1, $2 FROM generations WHERE id = $3 ON CONFLICT DO NOTHING',
)

/** Keeps what was said in attempts that end. A unit whose fate was unknown is handed in again: what is kept stays. */
export const callChanges: ChangeKind = ({ calls = [] }) =>
  calls.map(({ generationId, attempt, complete, data }) => {
    const keep = keepCalls(attempt, JSON.stringify({ complete, data }), generationId)
    // Perhaps the generation's row came after it.
    return { ...keep, afterwards: ({ count }) => (count === 0 ? keep : null) }
  })

const saveImage = prepare(`
  INSERT INTO images (id, generation_id, sha256, format, width, height, bytes, seed, flagged, link_url, link_expires_at)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
  ON CONFLICT (id) DO UPDATE SET
    sha256 = excluded.sha256, format = excluded.format, width = excluded.width, height = excluded.height, bytes = excluded.bytes,
    seed = excluded.seed, flagged = excluded.flagged, link_url = excluded.link_url, link_expires_at = excluded.link_expires_at`)
const saveReference = prepare(`
  INSERT INTO images (id, generation_id, sha256, format, width, height, bytes) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`)

const flag = (value: boolean | null): number | null => (value === null ? null : Number(value))
const columnsOf = ({ id, generationId, sha256, format, width, height, bytes }: ImageRecord) =>
  [id, generationId, sha256, format, width, height, bytes] as const

/** Saves delivered images, which a resumed generation may save a second time, and reference images. */
export const imageChanges: ChangeKind = ({ images = [], references = [] }) => [
  ...images.map((image) =>
    saveImage(...columnsOf(image), image.seed, flag(image.flagged), image.link?.url ?? null, image.link?.expiresAt ?? null),
  ),
  ...references.map((image) => saveReference(...columnsOf(image))),
]

const saveComparison = prepare(`
  INSERT INTO comparisons (id, created_at, key, unbegun, body) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (id) DO UPDATE SET unbegun = excluded.unbegun, body = excluded.body`)

/** Saves whole records: the row, and again where its generations have begun. */
export const comparisonChanges: ChangeKind = ({ comparisons = [] }) =>
  comparisons.map((record) => saveComparison(record.id, record.createdAt, record.key, record.unbegun !== null, JSON.stringify(record)))

const makeKey = prepare(`
  INSERT INTO gateway_keys (name, record) SELECT $1, $2
  WHERE NOT EXISTS (SELECT 1 FROM gateway_keys WHERE record::jsonb ->> 'hash' = $3) ON CONFLICT DO NOTHING`)
/** The name of a key that is made is no configured key's any more, whoever had it. */
const passOn = prepare('DELETE FROM configured_keys WHERE name = $1')
const changeKey = prepare(`UPDATE gateway_keys SET record = $2 WHERE name = $1 AND record::jsonb ->> 'hash' = $3`)
const useKey = prepare(
  `UPDATE gateway_keys SET record = (record::jsonb || jsonb_build_object('lastUsedAt', $2::bigint))::text WHERE name = $1`,
)
/** Of two processes that each revoke the last but one, the second finds the last; of two that make keys with one secret, the second finds it. */
const lockKeys = prepare('LOCK TABLE gateway_keys IN SHARE ROW EXCLUSIVE MODE')
const removeKey = prepare(
  `DELETE FROM gateway_keys WHERE name = $1 AND ($2::bigint IS NULL OR EXISTS (
    SELECT 1 FROM gateway_keys AS other WHERE other.name <> $1 AND coalesce((other.record::json ->> 'expiresAt')::bigint > $2, true)))`,
)

/** Makes, changes and revokes gateway keys that are what they were when it was asked for. */
export const keyChanges: ChangeKind = ({ keyChange: change }) => {
  if (change === undefined) return []
  const check: Statement['check'] = ({ count }) => {
    if (count === 0) throw new KeyConflict(KEY_CONFLICT)
  }
  switch (change.kind) {
    case 'made':
      return [
        lockKeys(),
        { ...makeKey(change.record.name, JSON.stringify(change.record), change.record.hash), check },
        passOn(change.record.name),
      ]
    case 'changed':
      return [{ ...changeKey(change.record.name, JSON.stringify(change.record), change.from), check }]
    case 'used':
      return [useKey(change.name, change.at)]
    case 'revoked':
      return [lockKeys(), { ...removeKey(change.name, change.unlessLastAt), check }]
  }
}

const addDelivery = prepare(`
  INSERT INTO webhook_deliveries (id, created_at, generation_id, key, status, origin, next_try_at, record)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING`)
const changeDelivery = (condition: string) =>
  prepare(`
  UPDATE webhook_deliveries SET status = $2, next_try_at = $3, record = $4, claimed_until = 0 WHERE id = $1 AND claimed_until ${condition} $5`)
const changeClaimed = changeDelivery('=')
const changeFree = changeDelivery('<=')

/** Adds new ones; a known one is written by whoever has its claim. */
export const deliveryChanges: ChangeKind = ({ deliveries = [], deliveryChange }) => [
  ...deliveries.map((record) => addDelivery(...deliveryRowOf(record))),
  ...(deliveryChange === undefined ? [] : [changed(deliveryChange), ...planned(deliveryChange)]),
]

/** Whichever process lives then tries it. */
const planned = ({ record }: DeliveryChange): readonly Statement[] => (record.nextTryAt === null ? [] : [sayStatement({ kind: 'planned' })])

function changed({ record, by }: DeliveryChange): Statement {
  const values = [record.id, record.status, record.nextTryAt, JSON.stringify(record)] as const
  return {
    ...('freeAt' in by ? changeFree(...values, by.freeAt) : changeClaimed(...values, by.claimedUntil)),
    check({ count }) {
      if (count === 0) throw new ClaimLost(`${record.id} is being tried by another process, or was since; nothing was written`)
    },
  }
}
