import { useQuery } from '@tanstack/preact-query'
import { useState } from 'preact/hooks'
import type { WebhookDelivery } from '../../client/index.ts'
import { Icon } from '../parts/icon.tsx'
import { When } from '../parts/when.tsx'
import { duration } from '../format/facts.ts'
import { useElapsed } from '../shell/elapsed.ts'
import { client, queries, saidBy, useMayBuy } from '../shell/gateway.ts'

const OPEN_AGAIN_MS = 3_000
const SECOND_MS = 1_000
const MINUTE_MS = 60_000

/** Webhooks of one generation, and the way to send one again. Nothing where none was asked for. */
export function Deliveries({ id, isOpen }: { readonly id: string; readonly isOpen: boolean }) {
  const { data = [] } = useQuery({
    queryKey: ['deliveries', id],
    queryFn: () => client().deliveries(id),
    refetchInterval: ({ state }) => (isOpen || state.data?.some(({ status }) => status === 'pending') ? OPEN_AGAIN_MS : false),
  })
  const [said, setSaid] = useState('')
  const mayBuy = useMayBuy()
  const again = async (delivery: WebhookDelivery) => {
    try {
      await client().redeliver(delivery.id)
      setSaid('It is sent again.')
    } catch (error) {
      setSaid(saidBy(error))
    }
    await queries.invalidateQueries({ queryKey: ['deliveries', id] })
  }
  if (data.length === 0) return null
  return (
    <section class="deliveries">
      <h2 class="head">Webhook</h2>
      <p class="mono two one-line">{data[0]?.url}</p>
      <ul>
        {data.map((delivery) => (
          <li key={delivery.id} class="small">
            <When at={delivery.last_try?.at ?? delivery.created_at} />
            <span>{delivery.type.replace('generation.', '')}</span>
            <span class={`answered ${delivery.status === 'delivered' ? 'ok' : delivery.last_try === null ? 'two' : 'bad'}`}>
              <Answered delivery={delivery} />
            </span>
            {mayBuy ? (
              <button
                type="button"
                class="button compact"
                aria-label={`Deliver again, ${delivery.type}`}
                onClick={() => void again(delivery)}
              >
                <Icon name="again" />
                Deliver again
              </button>
            ) : null}
          </li>
        ))}
      </ul>
      <p class="small two" role="status">
        {said}
      </p>
    </section>
  )
}

/** `503, again in 5 s` */
function Answered({ delivery: { status, last_try: last, next_try_at: next } }: { readonly delivery: WebhookDelivery }) {
  if (last === null) return <>not yet sent</>
  const code = last.status_code?.toString() ?? last.reason ?? 'no answer'
  return status === 'pending' && next !== null ? (
    <>
      {code}, again <Until at={next} />
    </>
  ) : (
    <>{code}</>
  )
}

function Until({ at }: { readonly at: string }) {
  const left = Date.parse(at) - Date.now()
  // It counts down with the clock that the seconds of what is open are counted by.
  useElapsed(at)
  return (
    <span class="num">{left < SECOND_MS ? 'now' : `in ${left < MINUTE_MS ? `${Math.round(left / SECOND_MS)} s` : duration(left)}`}</span>
  )
}
