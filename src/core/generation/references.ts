import type { ReferenceForm } from '#contract'
import type { Reference } from '../records.ts'
import { referenceForm } from '../plan/order.ts'
import type { Ports } from '../ports.ts'

type ReferencePorts = Pick<Ports, 'download' | 'assets' | 'settings'>

/** A reference image cannot be had any more; nothing was bought. */
export class ReferenceUnavailable extends Error {}

const FETCH_SILENCE_MS = 30_000

/** Each reference in a form the offer takes: its link, a data URI, or bare base64. Links are fetched only where the offer takes none. */
export function referencesFor(
  ports: ReferencePorts,
  references: readonly Reference[],
  forms: readonly ReferenceForm[],
  provider: string,
): Promise<string[]> {
  return Promise.all(
    references.map(async (reference, index) => {
      const form = referenceForm(reference, forms)
      if (reference.kind === 'url' && form === 'url') return reference.url
      const stored = reference.kind === 'stored' ? reference : await fetchReference(ports, reference.url, index)
      const bytes = await ports.assets.read(stored.sha256, stored.format)
      if (!bytes) throw new ReferenceUnavailable(`reference_images[${index}]: the image is no longer stored; send it again for ${provider}`)
      const base64 = bytes.toString('base64')
      return form === 'base64' ? base64 : `data:image/${stored.format};base64,${base64}`
    }),
  )
}

async function fetchReference(ports: ReferencePorts, url: string, index: number) {
  const { download, assets, settings } = ports
  const fetched = await download(url, { maxBytes: settings.maxImageBytes, silenceMs: FETCH_SILENCE_MS })
  const field = `reference_images[${index}]`
  switch (fetched.kind) {
    case 'body':
      try {
        return await assets.put(fetched.stream, settings.maxImageBytes)
      } catch (error) {
        throw new ReferenceUnavailable(`${field}: ${error instanceof Error ? error.message : 'not an image'}`)
      }
    case 'expired':
      throw new ReferenceUnavailable(`${field}: the link answered ${fetched.status}`)
    case 'failed':
    case 'refused':
      throw new ReferenceUnavailable(`${field}: ${fetched.reason}`)
  }
}
