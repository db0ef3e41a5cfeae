import { useQuery } from '@tanstack/preact-query'
import { useState } from 'preact/hooks'
import type { CostReport, GatewayKeyState, GatewayKeyWithSecret } from '../../client/index.ts'
import { Note } from '../parts/note.tsx'
import { Usd } from '../parts/usd.tsx'
import { When } from '../parts/when.tsx'
import { client, queries, saidBy, useCurrentKey } from '../shell/gateway.ts'

type Budget = CostReport['budgets'][number]

/** Gateway keys, for an admin of a gateway that has keys: made, given a fresh secret, revoked. A secret is shown once. */
export function GatewayKeys({ budgets }: { readonly budgets: readonly Budget[] }) {
  const current = useCurrentKey()
  const isAdmin = current !== undefined && current.name !== null && current.scope === 'admin'
  const { data } = useQuery({ queryKey: ['keys'], queryFn: () => client().keys(), enabled: isAdmin })
  const [made, setMade] = useState<GatewayKeyWithSecret | null>(null)
  const [said, setSaid] = useState<string | null>(null)
  if (data === undefined) return null
  const act = async (action: () => Promise<GatewayKeyWithSecret | undefined>) => {
    setSaid(null)
    setMade(null)
    try {
      setMade((await action()) ?? null)
    } catch (error) {
      setSaid(saidBy(error))
    }
    await queries.invalidateQueries({ queryKey: ['keys'] })
  }
  return (
    <section class="card" id="keys">
      <div class="table-head">
        <h2 class="head">Keys</h2>
        <p class="small two">Who may use this gateway. A secret is shown once, and only a hash of it is kept.</p>
      </div>
      {made === null ? null : (
        <div class="quotes-note">
          <Note kind="amber" alert>
            <b>The secret of {made.name}, shown once:</b> <code class="secret">{made.secret}</code>
            {made.rotated_at === null ? null : ' The one before counts for a day more.'}
          </Note>
        </div>
      )}
      {said === null ? null : (
        <div class="quotes-note">
          <Note kind="red" alert>
            {said}
          </Note>
        </div>
      )}
      <div class="scrolls" tabIndex={0} role="region" aria-label="Keys in full">
        <table class="plain-table" aria-label="Keys">
          <thead>
            <tr>
              {['Name', 'Scope', 'Budget', 'Used', 'Last used', 'Change'].map((head) => (
                <th key={head} scope="col">
                  {head}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {data.map((key) => (
              <KeyRow
                key={key.name}
                of={key}
                budget={budgets.find((budget) => budget.key === key.name)}
                onRotate={() => void act(() => client().rotateKey(key.name))}
                onRevoke={() =>
                  void act(async () => {
                    await client().revokeKey(key.name)
                    return undefined
                  })
                }
              />
            ))}
          </tbody>
        </table>
      </div>
      <NewKey
        onCreate={(name, scope, budget) =>
          void act(() => client().createKey({ name, scope, ...(budget === '' ? {} : { budget_usd: budget }) }))
        }
      />
    </section>
  )
}

interface KeyRowProps {
  readonly of: GatewayKeyState
  readonly budget: Budget | undefined
  readonly onRotate: () => void
  readonly onRevoke: () => void
}

function KeyRow({ of, budget, onRotate, onRevoke }: KeyRowProps) {
  const [asks, setAsks] = useState(false)
  return (
    <tr>
      <td class="medium">{of.name}</td>
      <td class="two">{of.scope}</td>
      <td>
        {of.budget_usd === null ? (
          <span class="two">no limit</span>
        ) : (
          <>
            <Usd amount={of.budget_usd} /> <span class="two">a {of.period}</span>
          </>
        )}
      </td>
      <td>{budget === undefined ? '' : <Usd amount={budget.used} />}</td>
      <td class="two">{of.last_used_at === null ? 'never' : <When at={of.last_used_at} />}</td>
      <td>
        {of.source === 'configuration' ? (
          <span class="small two">in imagegate.yaml</span>
        ) : (
          <span class="key-actions">
            <button type="button" class="button compact" aria-label={`Fresh secret for ${of.name}`} onClick={onRotate}>
              Fresh secret
            </button>
            <button
              type="button"
              class="button compact"
              aria-label={`${asks ? 'Really revoke' : 'Revoke'} ${of.name}`}
              onClick={() => (asks ? onRevoke() : setAsks(true))}
            >
              {asks ? 'Really revoke' : 'Revoke…'}
            </button>
          </span>
        )}
      </td>
    </tr>
  )
}

function NewKey({ onCreate }: { readonly onCreate: (name: string, scope: 'read' | 'write' | 'admin', budget: string) => void }) {
  const [name, setName] = useState('')
  const [scope, setScope] = useState<'read' | 'write' | 'admin'>('write')
  const [budget, setBudget] = useState('')
  return (
    <form
      class="new-key"
      onSubmit={(event) => {
        event.preventDefault()
        if (name !== '') onCreate(name, scope, budget.trim())
        setName('')
      }}
    >
      <input
        class="control"
        aria-label="Name of the new key"
        placeholder="Name, for example team-b"
        value={name}
        onInput={(event) => setName(event.currentTarget.value)}
      />
      <select
        class="control"
        aria-label="Scope of the new key"
        value={scope}
        onChange={(event) => setScope(event.currentTarget.value as 'read' | 'write' | 'admin')}
      >
        <option value="read">read</option>
        <option value="write">write</option>
        <option value="admin">admin</option>
      </select>
      <input
        class="control num"
        aria-label="Budget a month, in dollars"
        placeholder="Budget a month: no limit"
        value={budget}
        onInput={(event) => setBudget(event.currentTarget.value)}
      />
      <button type="submit" class="button">
        Create
      </button>
    </form>
  )
}
