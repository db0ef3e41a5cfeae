import type { Store } from '../../core/ports.ts'
import type { ComparisonRecord } from '../../core/records.ts'
import { pageOf, positionOf } from '../rules/cursor.ts'
import type { Row } from '../rules/rows.ts'
import { turnOf } from '../../reading/turn-of.ts'
import type { Connections } from './connections.ts'
import { binder, prepare } from './statement.ts'

const one = prepare('SELECT key, body FROM comparisons WHERE id = $1')
const unbegun = prepare('SELECT key, body FROM comparisons WHERE unbegun ORDER BY created_at, id')

const recordOf = ({ key, body }: Row): ComparisonRecord => ({
  ...(JSON.parse(String(body)) as ComparisonRecord),
  key: typeof key === 'string' ? key : null,
})

export const comparisonReader = ({ read, readMany }: Connections): Pick<Store, 'comparison' | 'comparisons' | 'unbegunComparisons'> => ({
  async comparison(id) {
    const [row] = await read(one(id))
    return row === undefined ? null : recordOf(row)
  },
  async comparisons({ key, cursor, limit }) {
    const { values, bind } = binder()
    const conditions = key === undefined ? [] : [`key = ${bind(key)}`]
    if (cursor !== undefined) {
      const { createdAt, id } = positionOf(cursor)
      conditions.push(`(created_at, id) < (${bind(createdAt)}, ${bind(id)})`)
    }
    const where = conditions.length === 0 ? '' : `WHERE ${conditions.join(' AND ')}`
    const text = `SELECT key, body FROM comparisons ${where} ORDER BY created_at DESC, id DESC LIMIT ${bind(limit + 1)}`
    return pageOf((await readMany({ text, values }, turnOf({ key }))).map(recordOf), limit)
  },
  unbegunComparisons: async () => (await read(unbegun())).map(recordOf),
})
