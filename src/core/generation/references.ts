import type { ReferenceForm } from '#contract'
import type { GenerationRecord, Reference } from '../records.ts'
import { referenceForm } from '../plan/order.ts'
import { isAsPriced } from './as-priced.ts'
import { AssetError } from '../ports.ts'
import type { Ports, StoredAsset } from '../ports.ts'
import { fewOfEach } from '../../reading/few-of-each.ts'
import { lend } from '../../reading/held-bytes.ts'

type ReferencePorts = Pick<Ports, 'download' | 'assets' | 'settings'>

/** A reference image cannot be had; nothing was bought. The message names the field and says what to send instead. */
export class ReferenceUnavailable extends Error {
  constructor(index: number, reason: string) {
    super(`reference_images[${index}]: ${reason}`)
  }
}

const SILENCE_MS = 15_000
/** The caller waits, and nothing is bought before it has come. */
const TIMEOUT_MS = 60_000
const REMEDY = 'give a link that anyone can open, or send the image as a data: URI'

const LARGER = `the link gives a larger image than was priced; ${REMEDY}`

/** What was fetched for one request's references, by link, so that several tasks and several offers fetch it once. */
const fetchedFor = new WeakMap<readonly Reference[], Map<string, Promise<StoredAsset>>>()

/**
 * Each reference in a form the offer takes: its link, a data URI, or bare base64. A link is fetched only where the offer takes none: once for
 * all tasks of a request, checked and stored, before anything is bought. The bytes decide the media type, whatever label they came with. Large
 * images are lent (see `reading/held-bytes.ts`): whoever asked releases what is returned.
 * @param references those of one request: the same array for all its tasks
 * @param mustBeAsPriced an image that was not seen when it was priced is refused where it costs more than was taken for granted
 * @throws ReferenceUnavailable
 */
export async function referencesFor(
  ports: ReferencePorts,
  references: readonly Reference[],
  forms: readonly ReferenceForm[],
  provider: string,
  mustBeAsPriced = false,
): Promise<string[]> {
  const behindLink = async (reference: Reference & { readonly kind: 'url' }, index: number): Promise<StoredAsset> => {
    const asset = await fetchOnce(ports, references, reference.url, index)
    if (mustBeAsPriced && !isAsPriced(reference, asset)) throw new ReferenceUnavailable(index, LARGER)
    return asset
  }
  const read = await Promise.all(
    references.map(async (reference, index) => {
      const form = referenceForm(reference, forms)
      if (reference.url !== undefined && form === 'url') return reference.url
      const { sha256, format, bytes: size } = reference.kind === 'stored' ? reference : await behindLink(reference, index)
      const bytes = await ports.assets.read(sha256, format, size)
      if (!bytes) throw new ReferenceUnavailable(index, `the image is no longer stored; send it again as a data: URI for ${provider}`)
      return { bytes, sha256, label: form === 'base64' ? '' : `data:image/${format};base64,` }
    }),
  )
  // Nothing fails from here on: what is lent is given back by whoever has it.
  return read.map((one) => (typeof one === 'string' ? one : one.label + lend(one.bytes, one.sha256)))
}

/** Half of the connections that there are to one host: another key's links there do not wait behind those of one. */
const MOST_OF_A_KEY = 16
const fewOfAKey = fewOfEach()

/**
 * Fetches the links that `referencesFor` needs the bytes of, so that it has them at once. They may take a minute: no slot is held meanwhile.
 * @param isWanted asked when the turn of a link comes, which those of the same key before it may keep waiting for minutes
 * @returns whether all have come; false where they were wanted no more
 * @throws ReferenceUnavailable
 */
export async function fetchLinks(
  ports: ReferencePorts,
  { references, key }: Pick<GenerationRecord, 'references' | 'key'>,
  forms: readonly ReferenceForm[],
  isWanted: () => boolean,
): Promise<boolean> {
  const come = await Promise.all(
    references.map(async (reference, index) => {
      if (reference.kind === 'stored' || referenceForm(reference, forms) === 'url') return true
      // What has come already, or comes for another of its tasks, stands in no line.
      const known = fetchedFor.get(references)?.get(reference.url)
      if (known) return known.then(() => true)
      return fewOfAKey(
        key ?? '',
        MOST_OF_A_KEY,
        async () => isWanted() && (await fetchOnce(ports, references, reference.url, index)) !== null,
      )
    }),
  )
  return come.every(Boolean)
}

function fetchOnce(ports: ReferencePorts, references: readonly Reference[], url: string, index: number): Promise<StoredAsset> {
  const fetched = fetchedFor.get(references) ?? new Map<string, Promise<StoredAsset>>()
  fetchedFor.set(references, fetched)
  const known = fetched.get(url)
  if (known) return known
  const fetching = fetchReference(ports, url, index)
  fetched.set(url, fetching)
  // What failed is tried again for the next task.
  fetching.catch(() => fetched.delete(url))
  return fetching
}

async function fetchReference({ download, assets, settings }: ReferencePorts, url: string, index: number): Promise<StoredAsset> {
  const limits = { maxBytes: settings.maxImageBytes, silenceMs: SILENCE_MS, timeoutMs: TIMEOUT_MS }
  const fetched = await download(url, limits)
  switch (fetched.kind) {
    case 'body':
      return assets.putReference(fetched.stream, settings.maxImageBytes, fetched.statedBytes).catch((error: unknown) => {
        if (error instanceof AssetError && error.reason !== 'storage') throw new ReferenceUnavailable(index, `${error.message}; ${REMEDY}`)
        throw error
      })
    case 'expired':
      throw new ReferenceUnavailable(index, `the link answered ${fetched.status}; ${REMEDY}`)
    case 'failed':
    case 'refused':
      throw new ReferenceUnavailable(index, `the link cannot be fetched (${fetched.reason}); ${REMEDY}`)
  }
}
