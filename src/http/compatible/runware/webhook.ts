import type { GenerationRecord, ImageRecord, WebhookTarget } from '../../../core/records.ts'
import type { Assets } from '../../../core/ports.ts'
import type { NoMessage, WebhookEnd, WebhookFormat, WebhookMessage } from '../../../core/webhooks/format.ts'
import { createInlineImages, imageInPieces } from '../../inline-images.ts'
import { deliveredImages, imageItem, undelivered } from './items.ts'
import type { Item, ItemSources } from './items.ts'
import { wantedOf } from './to-request.ts'
import type { Receivers } from './to-request.ts'
import type { ImageLinks } from '../../../core/present/image-link.ts'

export const RUNWARE_FORMAT = 'runware'

/** Null where nothing is sent. What results are to hold is kept in the generation's metadata, where getResponse finds it too. */
export function webhookTarget({ webhookUrl, uploadUrl }: Receivers): WebhookTarget | null {
  const url = webhookUrl ?? uploadUrl
  if (url === null) return null
  const target = { format: RUNWARE_FORMAT, url, context: { webhookUrl, uploadUrl } }
  // Where only images are sent, a generation without any has nothing to send.
  return webhookUrl === null ? { ...target, events: ['generation.succeeded'] } : target
}

interface Sources {
  readonly links: ImageLinks
  readonly assets: Pick<Assets, 'open' | 'read'>
}

/**
 * To `webhookURL` the flat task object of each result and of each error, a message for each; then to `uploadEndpoint` the bytes of each
 * image, by PUT.
 */
export const runwareFormat = (sources: Sources): WebhookFormat => ({
  count: (end) => itemCount(end) + uploadsOf(end).length,
  async render({ generation, target }, index) {
    const items = itemCount({ generation, target })
    if (index < items) {
      const images = createInlineImages(sources.assets)
      return { body: images.write(await itemOf({ links: sources.links, inBase64: images.inBase64 }, generation, index)), headers: {} }
    }
    return upload(sources, target, uploadsOf({ generation, target })[index - items])
  },
})

type End = Pick<WebhookEnd, 'generation' | 'target'>

const receiversOf = ({ context, url }: WebhookTarget): Receivers =>
  (context as unknown as Receivers | null) ?? { webhookUrl: url, uploadUrl: null }

const itemCount = ({ generation, target }: End): number =>
  receiversOf(target).webhookUrl === null
    ? 0
    : deliveredImages(generation).length + undelivered(generation, wantedOf(generation, '')).length

const uploadsOf = ({ generation, target }: End): readonly ImageRecord[] =>
  receiversOf(target).uploadUrl === null ? [] : deliveredImages(generation)

async function itemOf(sources: ItemSources, generation: GenerationRecord, index: number): Promise<Item> {
  const wanted = wantedOf(generation, '')
  const images = deliveredImages(generation)
  const image = images[index]
  if (image) return imageItem(generation, image, wanted, sources)
  return undelivered(generation, wanted)[index - images.length] ?? {}
}

async function upload({ assets }: Sources, target: WebhookTarget, image: ImageRecord | undefined): Promise<WebhookMessage | NoMessage> {
  const { uploadUrl } = receiversOf(target)
  const body = image ? await imageInPieces(assets, image) : null
  if (!image || body === null || uploadUrl === null) return { refused: 'the image is not stored here' }
  return { url: uploadUrl, method: 'PUT', body, headers: { 'content-type': `image/${image.format}` } }
}
