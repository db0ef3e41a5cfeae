import type { Reference } from '../records.ts'
import type { Ports, StoredAsset } from '../ports.ts'
import { assetsOf } from './assets-of.ts'
import { measuredBy } from './measure-references.ts'
import type { MeasureLinks } from './measure-references.ts'
import { openLink } from './open-link.ts'
import type { OpenLink } from './open-link.ts'

/** The caller waits for the acceptance, which also goes without. */
const TIMEOUT_MS = 15_000

/**
 * The links of one purchase, each fetched once: measured by its first bytes, and stored whole once it is clear that the request can be
 * bought, so that its key can send it again as an image. One that cannot be fetched in time stays a link. Neither fails.
 */
export interface BoughtLinks {
  readonly measure: MeasureLinks
  /** Those that were measured, as they are stored. */
  readonly keep: (references: readonly Reference[]) => Promise<readonly Reference[]>
  /** Lets go of what is still open; called once. */
  close(): void
}

export function boughtLinks(ports: Pick<Ports, 'download' | 'assets' | 'settings'>, key: string | null = null): BoughtLinks {
  const opened = new Map<string, Promise<OpenLink | null>>()
  const stored = new Map<string, Promise<StoredAsset | null>>()

  function open(url: string): Promise<OpenLink | null> {
    const link = opened.get(url) ?? openLink(ports, url, TIMEOUT_MS).catch(() => null)
    opened.set(url, link)
    return link
  }

  async function store(url: string): Promise<StoredAsset | null> {
    const link = await opened.get(url)
    return link?.pixels
      ? assetsOf(ports.assets, key)
          .putReference(link.all(), ports.settings.maxImageBytes)
          .catch(() => null)
      : null
  }

  async function kept(reference: Reference): Promise<Reference> {
    if (reference.kind === 'stored') return reference
    const { url } = reference
    const storing = stored.get(url) ?? store(url)
    stored.set(url, storing)
    const asset = await storing
    if (asset === null) return reference
    const { sha256, format, bytes, width, height } = asset
    return { kind: 'stored', sha256, format, bytes, pixels: { width, height }, url, ...(reference.isMask && { isMask: true }) }
  }

  return {
    measure: measuredBy(async (url) => (await open(url))?.pixels ?? null),
    keep: (references) => Promise.all(references.map(kept)),
    close: () => opened.forEach((opening) => void opening.then((link) => link?.close())),
  }
}
