import { viewOf } from '../present/generation.ts'
import type { WebhookFormat } from './format.ts'
import { signedHeaders } from './signature.ts'
import { iso } from '../instant.ts'
import type { ImageLinks } from '../present/image-link.ts'

/** The name of our own format. */
export const STANDARD = 'standard'

export interface StandardDependencies {
  /** `whsec_…`, all that are live; read at each try. */
  readonly secrets: () => readonly string[]
  readonly links: ImageLinks
}

/** Our own format: the whole generation, signed as Standard Webhooks says. */
export const standardFormat = ({ secrets, links }: StandardDependencies): WebhookFormat => ({
  async render({ generation, delivery: { id, type, createdAt }, now }) {
    const body = JSON.stringify({ type, timestamp: iso(createdAt), data: viewOf(generation, links) })
    return { body, headers: signedHeaders(secrets(), id, Math.floor(now / 1000), body) }
  },
})
