import { ChangedMeanwhile, LeaseLost } from '../../../core/nodes.ts'
import type { GenerationRecord } from '../../../core/records.ts'
import { planOf, snapshotOf } from '../../rules/generation-row.ts'
import type { Snapshot } from '../../rules/generation-row.ts'
import { searchedText } from '../../rules/prompt-words.ts'
import type { ChangeKind } from '../change.ts'
import { recordOf, SELECTED } from '../generations.ts'
import { prepare } from '../statement.ts'
import type { Statement } from '../statement.ts'

const update = prepare('UPDATE generations SET status = $1, open = $2, provider = $3, state = $4 WHERE id = $5')
const updateHeld = prepare('UPDATE generations SET status = $1, open = $2, provider = $3, state = $4 WHERE id = $5 AND lease = $6')

const hold = prepare(`${SELECTED} WHERE g.id = $1 FOR UPDATE OF g`)

/** The row with its plan and metadata; one that is there keeps these. */
const insert = prepare(`
  WITH saved AS (
    INSERT INTO generations (status, open, provider, state, id, created_at, model, key, lease) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $13)
    ON CONFLICT (id) DO UPDATE SET status = excluded.status, open = excluded.open, provider = excluded.provider, state = excluded.state
    RETURNING number, id, created_at
  ), planned AS (
    INSERT INTO generation_plans (number, plan, prompt) SELECT number, $9, $10 FROM saved ON CONFLICT DO NOTHING
  )
  INSERT INTO generation_metadata (key, value, created_at, generation_id)
  SELECT m.key, m.value, saved.created_at, saved.id FROM saved, unnest($11::text[], $12::text[]) AS m (key, value) ON CONFLICT DO NOTHING`)

/** Saves whole records: the state at each save; what never changes after the first save once. */
export const generationChanges: ChangeKind = ({ generations = [], areNew = false, lease, restsOn }) => [
  ...(restsOn === undefined ? [] : [asRead(restsOn)]),
  ...generations.map(snapshotOf).map((snapshot) => {
    if (areNew) return saveNew(snapshot, lease)
    return lease === undefined ? saveKnown(snapshot) : saveHeld(snapshot, lease)
  }),
]

/** Holds the row until the end of the unit, which writes all of it. */
function asRead({ id, attempts }: GenerationRecord): Statement {
  const read = JSON.stringify(attempts)
  return {
    ...hold(id),
    check({ rows: [row] }) {
      if (row === undefined || JSON.stringify(recordOf(row).attempts) !== read)
        throw new ChangedMeanwhile(`${id} was written by another process; nothing was written`)
    },
  }
}

function saveNew({ record, status, open, provider, state }: Snapshot, lease = 0): Statement {
  const { id, createdAt, model, key } = record
  const pairs = Object.entries(record.request.metadata ?? {})
  return insert(
    status,
    open === 1,
    provider,
    state,
    id,
    createdAt,
    model,
    key,
    planOf(record),
    searchedText(record.request.prompt ?? ''),
    pairs.map(([name]) => name),
    pairs.map(([, value]) => value),
    lease,
  )
}

function saveKnown(snapshot: Snapshot): Statement {
  const { record, status, open, provider, state } = snapshot
  // Bound now: the record may change until it is known whether its row is there.
  const fresh = saveNew(snapshot)
  return { ...update(status, open === 1, provider, state, record.id), afterwards: ({ count }) => (count === 0 ? fresh : null) }
}

/** One that was taken over is left to whoever has it now. */
function saveHeld({ record, status, open, provider, state }: Snapshot, lease: number): Statement {
  return {
    ...updateHeld(status, open === 1, provider, state, record.id, lease),
    check({ count }) {
      if (count === 0) throw new LeaseLost(`${record.id} is worked on by another process; nothing was written`)
    },
  }
}
