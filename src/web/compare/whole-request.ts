import type { Comparison, Generation } from '../../client/index.ts'

type Request = Generation['request']

/** What was asked for, with its metadata, which the API gives beside it: whoever asks again asks for the same. */
export const wholeRequest = ({ request, metadata }: Pick<Generation, 'request' | 'metadata'>): Request =>
  Object.keys(metadata).length === 0 ? request : { ...request, metadata }

/** The same of a comparison, whose generations have one metadata. */
export const comparedRequest = ({ request, generations: [first] }: Comparison): Request =>
  wholeRequest({ request, metadata: first?.metadata ?? {} })

/** A request for one provider alone, at no higher price than it allowed. */
export function requestAt(request: Request, provider: string): Request {
  const { max_price_usd: ceiling } = (request['provider'] ?? {}) as { readonly max_price_usd?: string }
  return {
    ...request,
    provider: { only: [provider], allow_fallbacks: false, ...(ceiling === undefined ? {} : { max_price_usd: ceiling }) },
  }
}
