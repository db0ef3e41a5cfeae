import type { Store } from '../../core/ports.ts'
import type { WebhookDeliveryRecord } from '../../core/records.ts'
import { pageOf, positionOf } from '../rules/cursor.ts'
import { fullOf } from '../rules/delivery-row.ts'
import type { Row } from '../rules/rows.ts'
import { turnOf } from '../../reading/turn-of.ts'
import type { Connections } from './connections.ts'
import { binder, prepare } from './statement.ts'

const one = prepare('SELECT key, record FROM webhook_deliveries WHERE id = $1')

/**
 * Of each receiver, and of each gateway key, as many as may be under way, those due longest first. A row that another process claims meanwhile is left to it; that it is
 * still due is asked of the row itself, since the other may have tried it and given it back by then.
 */
const claim = prepare(`
  WITH busy AS (SELECT * FROM unnest($5::text[], $6::integer[]) AS b (origin, under_way)),
  busy_keys AS (SELECT * FROM unnest($8::text[], $9::integer[]) AS b (key, under_way)),
  due AS (
    SELECT id, origin, key, next_try_at, row_number() OVER (PARTITION BY origin ORDER BY next_try_at, id) AS nth
    FROM webhook_deliveries WHERE next_try_at <= $1 AND claimed_until <= $1
  ),
  at_free_receivers AS (
    SELECT due.id, due.key, next_try_at, row_number() OVER (PARTITION BY due.key ORDER BY next_try_at, due.id) AS of_key
    FROM due LEFT JOIN busy USING (origin) WHERE nth <= $4 - coalesce(under_way, 0)
  ),
  chosen AS (
    SELECT a.id FROM at_free_receivers AS a LEFT JOIN busy_keys USING (key)
    WHERE a.key IS NULL OR of_key <= $7 - coalesce(under_way, 0) ORDER BY next_try_at, a.id LIMIT $3
  )
  UPDATE webhook_deliveries AS d SET claimed_until = $2 FROM chosen WHERE d.id = chosen.id AND d.next_try_at <= $1 AND d.claimed_until <= $1
  RETURNING d.id, d.key, d.next_try_at, d.record`)

const planNow = prepare(`
  UPDATE webhook_deliveries SET next_try_at = least(next_try_at, $2), claimed_until = least(claimed_until, $2)
  WHERE next_try_at IS NOT NULL AND greatest(next_try_at, claimed_until) > $1`)

const nextFree = prepare(`
  SELECT min(greatest(next_try_at, claimed_until)) AS at FROM webhook_deliveries
  WHERE next_try_at IS NOT NULL AND NOT origin = ANY ($1::text[]) AND NOT coalesce(key, '') = ANY ($2::text[]) AND NOT id = ANY ($3::text[])`)

const recordOf = ({ key, record }: Row): WebhookDeliveryRecord => ({
  ...(JSON.parse(String(record)) as WebhookDeliveryRecord),
  key: typeof key === 'string' ? key : null,
})

export const deliveryReader = ({
  read,
  readMany,
}: Connections): Pick<Store, 'delivery' | 'deliveries' | 'claimDeliveries' | 'planLateDeliveries'> => ({
  async delivery(id) {
    const [row] = await read(one(id))
    return row === undefined ? null : recordOf(row)
  },

  async deliveries({ generationId, status, key, cursor, limit }) {
    const { values, bind } = binder()
    const conditions = Object.entries({ generation_id: generationId, status, key }).flatMap(([column, value]) =>
      value === undefined ? [] : [`${column} = ${bind(value)}`],
    )
    if (cursor !== undefined) {
      const { createdAt, id } = positionOf(cursor)
      conditions.push(`(created_at, id) < (${bind(createdAt)}, ${bind(id)})`)
    }
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
    const text = `SELECT key, record FROM webhook_deliveries ${where} ORDER BY created_at DESC, id DESC LIMIT ${bind(limit + 1)}`
    return pageOf((await readMany({ text, values }, turnOf({ key }))).map(recordOf), limit)
  },

  planLateDeliveries: async (latest, now) => void (await read(planNow(latest, now))),

  async claimDeliveries({ now, leaseMs, limit, perOrigin, perKey, underWay: { byOrigin, byKey } }) {
    const rows = await read(
      claim(
        now,
        now + leaseMs,
        limit,
        perOrigin,
        [...byOrigin.keys()],
        [...byOrigin.values()],
        perKey,
        [...byKey.keys()],
        [...byKey.values()],
      ),
    )
    const [next] = await read(
      nextFree(
        fullOf(byOrigin, perOrigin),
        fullOf(byKey, perKey),
        rows.map(({ id }) => String(id)),
      ),
    )
    const inOrder = rows.toSorted(
      (a, b) => Number(a['next_try_at']) - Number(b['next_try_at']) || (String(a['id']) < String(b['id']) ? -1 : 1),
    )
    const at = next?.['at']
    return { records: inOrder.map(recordOf), nextAt: typeof at === 'bigint' ? Number(at) : null }
  },
})
