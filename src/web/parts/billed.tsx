import type { Generation } from '../../client/index.ts'
import { usdText } from '../format/usd.ts'
import { imagesAsked } from './state.tsx'

/** One of three sentences wherever something did not succeed; null where there is nothing to say yet. */
export function billedText({ error, cost }: Pick<Generation, 'error' | 'cost'>): string {
  if (error?.billed === false || cost.amount === '0') return 'Not billed'
  if (cost.amount !== null) return `Billed ${usdText(cost.amount)}`
  return cost.quoted === null ? 'Billed? Unknown' : `Billed? Unknown, at most ${usdText(cost.quoted)}`
}

/** Of a part of the images: for how many it was billed, where that is known. */
const billedForText = (generation: Pick<Generation, 'error' | 'cost' | 'images'>): string =>
  generation.cost.amount === null ? `${billedText(generation)}.` : `Billed for ${generation.images.length}.`

/** `1 of 4 was refused after it was made. Billed for 3.` */
export function partRefusedText(generation: Pick<Generation, 'error' | 'cost' | 'images' | 'request'>): string {
  const asked = imagesAsked(generation)
  const missing = asked - generation.images.length
  return `${missing} of ${asked} ${missing === 1 ? 'was refused after it was' : 'were refused after they were'} made. ${billedForText(generation)}`
}

export const Billed = ({ of }: { readonly of: Pick<Generation, 'error' | 'cost'> }) => <b>{billedText(of)}</b>
