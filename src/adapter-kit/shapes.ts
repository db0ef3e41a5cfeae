import type { Adapter, Manifest, Shape } from '#contract'
import { imagesShape } from './images-shape.ts'
import { queueShape } from './queue-shape.ts'

/** The language of a vendor whose API has a shape we know. */
export function adapterOfShape({ id, title }: Pick<Manifest, 'id' | 'title'>, shape: Shape): Adapter {
  switch (shape.name) {
    case 'openai-images':
      return imagesShape(title, shape, id)
    case 'queue-by-returned-urls':
      return queueShape(title, shape)
  }
}
