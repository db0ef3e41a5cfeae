import type { Adapter, Shape } from '#contract'
import { imagesShape } from './images-shape.ts'
import { queueShape } from './queue-shape.ts'

/** The language of a vendor whose API has a shape we know. */
export function adapterOfShape(title: string, shape: Shape): Adapter {
  switch (shape.name) {
    case 'openai-images':
      return imagesShape(title, shape)
    case 'queue-by-returned-urls':
      return queueShape(title, shape)
  }
}
