import { useQuery } from '@tanstack/preact-query'
import { useState } from 'preact/hooks'
import type { WebhookDelivery } from '../../client/index.ts'
import { Icon } from '../parts/icon.tsx'
import { When } from '../parts/when.tsx'
import { client, queries, saidBy, useMayBuy } from '../shell/gateway.ts'

/** Webhooks of one generation, and the way to send one again. Nothing where none was asked for. */
export function Deliveries({ id, isOpen }: { readonly id: string; readonly isOpen: boolean }) {
  const { data = [] } = useQuery({
    queryKey: ['deliveries', id],
    queryFn: () => client().deliveries(id),
    refetchInterval: isOpen ? 3_000 : false,
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
            <span class={delivery.status === 'delivered' ? 'ok' : delivery.status === 'failed' ? 'bad' : 'two'}>{answered(delivery)}</span>
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

function answered({ status, last_try: last, next_try_at: next }: WebhookDelivery): string {
  const code = last === null ? 'not yet sent' : (last.status_code?.toString() ?? last.reason ?? 'no answer')
  return status === 'pending' && last !== null && next !== null ? `${code}, tried again` : code
}
