import { useQuery } from '@tanstack/preact-query'
import { useState } from 'preact/hooks'
import type { CostReport, GatewayKeyState, GatewayKeyWithSecret } from '../../client/index.ts'
import { CopyButton } from '../parts/copy-button.tsx'
import { dayText, listed } from '../format/facts.ts'
import { Note } from '../parts/note.tsx'
import { Usd } from '../parts/usd.tsx'
import { When } from '../parts/when.tsx'
import { client, queries, saidBy, useCurrentKey, useTitles } from '../shell/gateway.ts'
import { NewKey } from './new-key.tsx'

type Budget = CostReport['budgets'][number]

/** Gateway keys, for an admin of a gateway that has keys: made, given a fresh secret, revoked. A secret is shown once. */
export function GatewayKeys({ budgets }: { readonly budgets: readonly Budget[] }) {
  const current = useCurrentKey()
  const isAdmin = current !== undefined && current.name !== null && current.scope === 'admin'
  const { data } = useQuery({ queryKey: ['keys'], queryFn: () => client().keys(), enabled: isAdmin })
  const [made, setMade] = useState<GatewayKeyWithSecret | null>(null)
  const [said, setSaid] = useState<string | null>(null)
  if (data === undefined) return null
  /** Whether it was done; else why not is said. */
  const act = async (action: () => Promise<GatewayKeyWithSecret | undefined>): Promise<boolean> => {
    setSaid(null)
    setMade(null)
    let isDone = true
    try {
      setMade((await action()) ?? null)
    } catch (error) {
      setSaid(saidBy(error))
      isDone = false
    }
    // What each has used of its budget stands in the report of costs.
    await Promise.all([['keys'], ['costs']].map((queryKey) => queries.invalidateQueries({ queryKey })))
    return isDone
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
            <b>The secret of {made.name}, shown once:</b> <code class="secret">{made.secret}</code>{' '}
            <CopyButton text={made.secret} what={`the secret of ${made.name}`} />
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
              {['Name', 'Scope', 'Budget', 'Used', 'Limits', 'Last used', 'Change'].map((head) => (
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
      <NewKey onCreate={(key) => act(() => client().createKey(key))} />
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
  const titles = useTitles()
  return (
    <tr>
      <td class="medium">{of.name}</td>
      <td class="two">{of.scope}</td>
      <td>
        {of.budget_usd === null ? (
          <span class="two">no limit</span>
        ) : (
          <span class="num">
            <Usd amount={of.budget_usd} /> <span class="two">{of.period === 'total' ? 'in all' : `a ${of.period}`}</span>
          </span>
        )}
      </td>
      <td>{budget === undefined ? '' : <Usd amount={budget.used} />}</td>
      <td class="small two">{limitsText(of, titles)}</td>
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

/** `60 requests a minute, only flux-2-pro, only at Runware, refused from 1 Dec`; nothing where there is no limit. */
function limitsText(
  { rate, models, providers, expires_at: until, budget_usd: budget, allow_unpriced: unpriced }: GatewayKeyState,
  titles: (id: string) => string,
): string {
  const limits = [
    rate === null ? '' : `${rate.per_minute} requests a minute`,
    models === null ? '' : `only ${listed(models)}`,
    providers === null ? '' : `only at ${listed(providers.map(titles))}`,
    budget === null || !unpriced ? '' : 'offers without a price too',
    until === null ? '' : `refused from ${dayText(until)}`,
  ]
  return limits.filter((limit) => limit !== '').join(', ')
}
