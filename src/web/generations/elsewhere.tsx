import { useQuery } from '@tanstack/preact-query'
import type { Generation, GenerationRequest } from '../../client/index.ts'
import { NoPrice, Usd } from '../parts/usd.tsx'
import { client } from '../shell/gateway.ts'

/** What the same request would be quoted now at the other providers. Spends nothing. */
export function Elsewhere({ generation, titles }: { readonly generation: Generation; readonly titles: (id: string | null) => string }) {
  const { provider: _, ...request } = generation.request
  const { data } = useQuery({
    queryKey: ['elsewhere', generation.id],
    queryFn: () => client().quote(request as unknown as GenerationRequest),
    staleTime: 60_000,
  })
  const others = data?.offers.filter(({ provider, eligible }) => eligible && provider !== generation.provider) ?? []
  if (others.length === 0) return null
  return (
    <p class="small two elsewhere">
      The same image elsewhere:{' '}
      {others.map(({ provider, cost, fidelity }, at) => (
        <span key={provider}>
          {at === 0 ? '' : ', '}
          {titles(provider)} {cost === null ? <NoPrice /> : <Usd amount={cost.amount} />}
          {fidelity === 'far' ? ' (another shape)' : ''}
        </span>
      ))}
      .
    </p>
  )
}
