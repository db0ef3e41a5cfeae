import { json as readJson } from 'node:stream/consumers'
import type { Json } from '#contract'
import type { Transport } from '../transport/index.ts'

/** For whatever a vendor publishes, with a key or without one. */
export const PUBLISHED_TIMEOUT_MS = 20_000

export type PublishedDocument =
  | { readonly kind: 'body'; readonly body: Json }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'failed'; readonly reason: string }

/** A document that a vendor publishes for everybody, asked for without a key. */
export async function publishedDocument(
  { download }: Pick<Transport, 'download'>,
  url: string,
  maxBytes: number,
): Promise<PublishedDocument> {
  const got = await download(url, { maxBytes, silenceMs: PUBLISHED_TIMEOUT_MS, timeoutMs: PUBLISHED_TIMEOUT_MS, isDocument: true })
  if (got.kind === 'expired') return { kind: 'refused', status: got.status }
  if (got.kind !== 'body') return { kind: 'failed', reason: got.reason }
  try {
    return { kind: 'body', body: (await readJson(got.stream)) as Json }
  } catch (error) {
    // Of what is no JSON nothing is said: the parser's words hold a part of it.
    return { kind: 'failed', reason: error instanceof SyntaxError ? 'it is no JSON' : (error as Error).message }
  }
}
