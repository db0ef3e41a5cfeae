import { useState } from 'preact/hooks'
import type { Comparison, GenerationRequest } from '../../client/index.ts'
import { client, queries, saidBy } from '../shell/gateway.ts'
import { freshKey } from '../shell/plain-http.ts'
import { useAgain } from './follow.ts'
import type { Part } from './part.ts'
import { comparedRequest, requestAt } from './whole-request.ts'

/** What a column can set going: one part once more, or its end. `refused` is why it could not. */
export function useBuying(comparison: Comparison) {
  const [againIds, setAgainIds] = useState<Readonly<Record<string, string>>>({})
  const [refused, setRefused] = useState<string | null>(null)
  const again = useAgain(againIds)
  const buyAgain = async (part: Part) => {
    setRefused(null)
    try {
      const request = requestAt(comparedRequest(comparison), part.provider)
      const generation = await client().create(request as unknown as GenerationRequest, { idempotencyKey: freshKey() })
      setAgainIds((before) => ({ ...before, [part.provider]: generation.id }))
    } catch (error) {
      setRefused(saidBy(error))
    }
  }
  const cancel = async ({ generation }: Part) => {
    if (generation === undefined) return
    await client()
      .cancel(generation.id)
      .catch((error: unknown) => setRefused(saidBy(error)))
    await queries.invalidateQueries({ queryKey: ['comparison', comparison.id] })
  }
  return { again, buyAgain, cancel, refused }
}
