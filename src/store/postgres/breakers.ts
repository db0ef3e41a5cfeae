import type { KeptBreaker, Nodes } from '../../core/nodes.ts'
import type { Connections } from './connections.ts'
import { sqlMessage } from './messages.ts'
import { prepare } from './statement.ts'

const all = prepare('SELECT provider, version, state FROM breakers')
const keep = prepare(`
  WITH kept AS (
    INSERT INTO breakers (provider, version, state) VALUES ($1, $2::bigint + 1, $3)
    ON CONFLICT (provider) DO UPDATE SET version = excluded.version, state = excluded.state WHERE breakers.version = $2
    RETURNING provider
  )
  SELECT ${sqlMessage('breaker', 'provider', 'provider')} FROM kept`)

/** The breakers of all processes; who changes one says which it changes, so that nothing that happened is forgotten. */
export const breakerKeeper = ({ read }: Connections): Pick<Nodes, 'breakers' | 'keepBreaker'> => ({
  breakers: async () =>
    (await read(all())).map(({ provider, version, state }) => ({
      provider: String(provider),
      version: Number(version),
      state: JSON.parse(String(state)) as KeptBreaker['state'],
    })),
  keepBreaker: async ({ provider, version, state }) => (await read(keep(provider, version, JSON.stringify(state)))).length > 0,
})
