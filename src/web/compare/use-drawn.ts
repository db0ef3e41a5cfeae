import { useQuery } from '@tanstack/preact-query'
import { client } from '../shell/gateway.ts'

const STORED = '/v1/images/'

/**
 * What an `img` of a reference can show; null where it is a link, or is not here yet. Where keys are on, an address without a signature shows
 * nothing in an `img`, so a stored image is fetched with the key.
 */
export function useDrawn(thumb: string | null): string | null {
  const stored = thumb?.startsWith(STORED) === true ? thumb.slice(STORED.length) : null
  const { data = null } = useQuery({
    queryKey: ['stored image', stored],
    queryFn: async () => URL.createObjectURL(new Blob([await client().storedImage(stored ?? '')])),
    enabled: stored !== null,
    staleTime: Infinity,
    gcTime: Infinity,
  })
  return stored === null ? thumb : data
}
