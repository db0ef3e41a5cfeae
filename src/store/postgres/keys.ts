import { scopesOf } from '../../core/keys/key-record.ts'
import type { KeyRecord } from '../../core/keys/key-record.ts'
import type { KeyName, RenamedKey, Store } from '../../core/ports.ts'
import { renamedKeys, renamingSteps } from '../rules/key-names.ts'
import type { Connection, Connections } from './connections.ts'
import { failureOf } from './failure-of.ts'
import { prepare } from './statement.ts'

const all = prepare('SELECT record FROM gateway_keys ORDER BY name')
/** Of several processes that make one at once, the first one's is kept. */
const keep = prepare('INSERT INTO secrets (name, value) VALUES ($1, $2) ON CONFLICT DO NOTHING')
const kept = prepare('SELECT value FROM secrets WHERE name = $1')

export const keyReader = ({ read }: Connections): Pick<Store, 'keys' | 'secret'> => ({
  keys: async () => (await read(all())).map((row) => JSON.parse(String(row['record'])) as KeyRecord),
  async secret(name, made) {
    await read(keep(name, made))
    const [row] = await read(kept(name))
    return String(row?.['value'])
  },
})

const lockNames = prepare('LOCK TABLE configured_keys IN SHARE ROW EXCLUSIVE MODE')
const known = prepare('SELECT key_hash, name FROM configured_keys')
const remember = prepare(
  'INSERT INTO configured_keys (key_hash, name) VALUES ($1, $2) ON CONFLICT (key_hash) DO UPDATE SET name = excluded.name',
)
/** From what to what. Records name their key in a column, which counts. */
const renames = [
  prepare('UPDATE generations SET key = $2 WHERE key = $1'),
  prepare('UPDATE comparisons SET key = $2 WHERE key = $1'),
  prepare('UPDATE webhook_deliveries SET key = $2 WHERE key = $1'),
  prepare('UPDATE ledger SET key = $2 WHERE key = $1'),
  prepare(`
    INSERT INTO budgets AS b (key, period, used) SELECT $2, period, used FROM budgets WHERE key = $1
    ON CONFLICT (key, period) DO UPDATE SET used = b.used + excluded.used`),
]
/** From which scope to which. */
const moves = [
  prepare(
    'DELETE FROM idempotency AS i WHERE i.scope = $2 AND EXISTS (SELECT 1 FROM idempotency AS o WHERE o.scope = $1 AND o.key = i.key)',
  ),
  prepare('UPDATE idempotency SET scope = $2 WHERE scope = $1'),
]
const passOn = prepare('DELETE FROM configured_keys WHERE name = $1 AND key_hash <> $2')
const forgetBudgets = prepare('DELETE FROM budgets WHERE key = $1')

/** As the port says, everything in one transaction. */
export const keyNamer =
  (connections: Connections) =>
  async (keys: readonly KeyName[]): Promise<readonly RenamedKey[]> => {
    const connection = await connections.take()
    let isBroken = true
    try {
      const renamed = await rename(connection, keys)
      isBroken = false
      return renamed
    } catch (error) {
      throw failureOf(error) ?? error
    } finally {
      // What is half done is taken back with its connection.
      connection.release(isBroken)
    }
  }

const begin = prepare('BEGIN')
const commit = prepare('COMMIT')

async function rename(connection: Connection, keys: readonly KeyName[]): Promise<readonly RenamedKey[]> {
  await connection.run(begin())
  await connection.run(lockNames())
  const names = new Map((await connection.run(known())).rows.map((row) => [String(row['key_hash']), String(row['name'])] as const))
  const renamed = renamedKeys(names, keys)
  for (const { from, to } of renamingSteps(renamed)) {
    for (const statement of renames) await connection.run(statement(from, to))
    const [before, after] = [scopesOf(from), scopesOf(to)]
    for (const move of moves) {
      await connection.run(move(before.generations, after.generations))
      await connection.run(move(before.comparisons, after.comparisons))
    }
    await connection.run(forgetBudgets(from))
  }
  for (const { keyHash, name } of keys) {
    if (names.get(keyHash) !== name) await connection.run(remember(keyHash, name))
    await connection.run(passOn(name, keyHash))
  }
  await connection.run(commit())
  return renamed.map(({ from, to }) => ({ from, to }))
}
