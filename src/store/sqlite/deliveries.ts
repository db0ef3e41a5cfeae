import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import type { Instant, WebhookDeliveryRecord } from '../../core/records.ts'
import { ClaimLost } from '../../core/ports.ts'
import type { Store } from '../../core/ports.ts'
import type { ChangeKind } from './change.ts'
import { pageOf, positionOf } from '../rules/cursor.ts'
import { deliveryRowOf } from '../rules/delivery-row.ts'

/** Claimed deliveries by id, and until when. In memory: this process is the only one, and a restart frees them all. */
export type Leases = Map<string, Instant>

/** Adds new ones; a known one is written by whoever has its claim. */
export const deliveryChanges =
  (leases: Leases): ChangeKind =>
  (database) => {
    const add = database.prepare(`
      INSERT INTO webhook_deliveries (id, created_at, generation_id, key, status, origin, next_try_at, record)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING`)
    const change = database.prepare('UPDATE webhook_deliveries SET status = ?, next_try_at = ?, record = ? WHERE id = ?')
    return ({ deliveries = [], deliveryChange }) => {
      if (deliveries.length === 0 && deliveryChange === undefined) return null
      const rows = deliveries.map(deliveryRowOf)
      const { record, by } = deliveryChange ?? {}
      const changed = record && ([record.status, record.nextTryAt, JSON.stringify(record), record.id] as const)
      return {
        check() {
          if (!record || !by) return
          const heldUntil = leases.get(record.id) ?? 0
          const isOurs = 'freeAt' in by ? heldUntil <= by.freeAt : heldUntil === by.claimedUntil
          if (!isOurs) throw new ClaimLost(`${record.id} is being tried, or was since; nothing was written`)
        },
        apply() {
          for (const row of rows) add.run(...row)
          if (!changed) return
          change.run(...changed)
          leases.delete(changed[3])
        },
      }
    }
  }

const recordOf = (row: object): WebhookDeliveryRecord =>
  JSON.parse(String((row as { readonly record: unknown }).record)) as WebhookDeliveryRecord

type DeliveryReader = Pick<Store, 'delivery' | 'deliveries' | 'claimDeliveries'>

export function deliveryReader(database: DatabaseSync, leases: Leases): DeliveryReader {
  const one = database.prepare('SELECT record FROM webhook_deliveries WHERE id = ?')
  const planned = database.prepare(`
    SELECT id, origin, next_try_at FROM webhook_deliveries
    WHERE next_try_at IS NOT NULL AND origin NOT IN (SELECT value FROM json_each(?)) ORDER BY next_try_at, id`)

  return {
    async delivery(id) {
      const row = one.get(id)
      return row === undefined ? null : recordOf(row)
    },

    async deliveries({ generationId, status, key, cursor, limit }) {
      const conditions: string[] = []
      const values: SQLInputValue[] = []
      const require = (condition: string, ...bound: readonly SQLInputValue[]): void => {
        conditions.push(condition)
        values.push(...bound)
      }
      if (generationId !== undefined) require('generation_id = ?', generationId)
      if (status !== undefined) require('status = ?', status)
      if (key !== undefined) require('key = ?', key)
      if (cursor !== undefined) {
        const { createdAt, id } = positionOf(cursor)
        require('(created_at, id) < (?, ?)', createdAt, id)
      }
      const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
      const rows = database
        .prepare(`SELECT record FROM webhook_deliveries ${where} ORDER BY created_at DESC, id DESC LIMIT ?`)
        .all(...values, limit + 1)
      return pageOf(rows.map(recordOf), limit)
    },

    async claimDeliveries({ now, leaseMs, limit, perOrigin, underWay }) {
      const taken: string[] = []
      const atOrigin = new Map(underWay)
      const busyOrigins = [...underWay].flatMap(([origin, count]) => (count >= perOrigin ? [origin] : []))
      let nextAt = Infinity
      for (const row of planned.iterate(JSON.stringify(busyOrigins))) {
        const { id, origin, next_try_at: dueAt } = row as { readonly id: string; readonly origin: string; readonly next_try_at: Instant }
        const freeAt = Math.max(dueAt, leases.get(id) ?? 0)
        const held = atOrigin.get(origin) ?? 0
        if (freeAt <= now && taken.length < limit && held < perOrigin) {
          taken.push(id)
          atOrigin.set(origin, held + 1)
        } else {
          nextAt = Math.min(nextAt, freeAt)
          // From here on all are later, or the claim is full.
          if (dueAt > now || taken.length === limit) break
        }
      }
      for (const id of taken) leases.set(id, now + leaseMs)
      const records = taken.flatMap((id) => {
        const row = one.get(id)
        return row === undefined ? [] : [recordOf(row)]
      })
      return { records, nextAt: nextAt === Infinity ? null : nextAt }
    },
  }
}
