import { useQuery } from '@tanstack/preact-query'
import { daysText } from '../format/facts.ts'
import { client } from '../shell/gateway.ts'
import { monthOf } from './period.ts'

/** Of a period without an image: when the last one was bought, and the way there. */
export function NothingSpent() {
  const { data } = useQuery({ queryKey: ['last-bought'], queryFn: () => client().list({ status: 'succeeded', limit: 1 }) })
  const last = data?.data[0]?.created_at
  const month = last === undefined ? null : monthOf(last)
  return (
    <div class="card empty">
      <h2>Nothing spent in this period</h2>
      <span>
        {last === undefined || month === null ? (
          'No image was bought yet.'
        ) : (
          <>
            The last image was bought on {daysText(last.slice(0, 10), last.slice(0, 10))}.{' '}
            <a href={`/costs?${month.query}`}>Show {month.name}</a>
          </>
        )}
      </span>
    </div>
  )
}
