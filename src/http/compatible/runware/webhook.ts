import type { GenerationRecord, WebhookTarget } from '../../../core/records.ts'
import type { Assets } from '../../../core/ports.ts'
import type { WebhookFormat } from '../../../core/webhooks/format.ts'
import { deliveredImages, imageItem, undelivered } from './items.ts'
import type { Item } from './items.ts'
import { wantedOf } from './to-request.ts'

export const RUNWARE_FORMAT = 'runware'

/** The form of the results is kept in the generation's metadata, where getResponse finds it too. */
export const webhookTarget = (url: string): WebhookTarget => ({ format: RUNWARE_FORMAT, url, context: null })

/** The flat task object of each result and of each error, a message for each. */
export const runwareFormat = (deps: { readonly publicUrl: () => string; readonly assets: Pick<Assets, 'read'> }): WebhookFormat => {
  const itemOf = async (generation: GenerationRecord, index: number): Promise<Item> => {
    const wanted = wantedOf(generation, '')
    const images = deliveredImages(generation)
    const image = images[index]
    if (image) return imageItem(generation, image, wanted, { publicUrl: deps.publicUrl(), assets: deps.assets })
    return undelivered(generation, wanted)[index - images.length] ?? {}
  }
  return {
    count: ({ generation }) => deliveredImages(generation).length + undelivered(generation, wantedOf(generation, '')).length,
    render: async ({ generation }, index) => ({ body: JSON.stringify(await itemOf(generation, index)), headers: {} }),
  }
}
