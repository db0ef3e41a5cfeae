import { useState } from 'preact/hooks'
import type { Generation, GenerationRequest } from '../../client/index.ts'
import { Icon } from '../parts/icon.tsx'
import { isOpen } from '../parts/shown-state.ts'
import { client, saidBy, useMayBuy } from '../shell/gateway.ts'
import { requestAt, wholeRequest } from '../compare/whole-request.ts'
import { freshKey } from '../shell/plain-http.ts'
import { navigate } from '../shell/router.ts'

interface SameSeedProps {
  readonly generation: Generation
  readonly onRefused: (message: string | null) => void
}

/** Buys the same request once more at the same provider, with the seed of its first image, and shows it. */
export function SameSeed({ generation, onRefused }: SameSeedProps) {
  const [isAsking, setIsAsking] = useState(false)
  const { request, provider, images, status } = generation
  const mayBuy = useMayBuy()
  const seed = images[0]?.seed ?? request['seed']
  if (!mayBuy || isOpen(status) || provider === null || seed === undefined) return null
  const ask = async () => {
    setIsAsking(true)
    onRefused(null)
    try {
      const again = requestAt({ ...wholeRequest(generation), seed }, provider)
      const { id } = await client().create(again as unknown as GenerationRequest, { idempotencyKey: freshKey() })
      navigate(`/generations/${id}`)
      scrollTo(0, 0)
    } catch (error) {
      onRefused(saidBy(error))
    } finally {
      setIsAsking(false)
    }
  }
  return (
    <button type="button" class="button compact" disabled={isAsking} onClick={() => void ask()}>
      <Icon name="again" />
      Same seed again
    </button>
  )
}
