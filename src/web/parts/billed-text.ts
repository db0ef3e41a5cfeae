import type { Generation } from '../../client/index.ts'
import { isZeroUsd, subtractUsd } from '../../contract/amounts.ts'
import { usdText } from '../format/usd.ts'
import { imagesAsked } from './shown-state.ts'

/** One of three sentences wherever something did not succeed; null where there is nothing to say yet. */
export function billedText({ error, cost }: Pick<Generation, 'error' | 'cost'>): string {
  if (error?.billed === false || cost.amount === '0') return 'Not billed'
  if (cost.amount !== null) return `Billed ${usdText(cost.amount)}`
  return cost.quoted === null ? 'Billed? Unknown' : `Billed? Unknown, at most ${usdText(cost.quoted)}`
}

type PartOfImages = Pick<Generation, 'error' | 'cost' | 'images' | 'request' | 'attempts'>

/** For how many images it was billed, where less than the quote says that it was for those that came. */
function billedForText(generation: PartOfImages): string {
  const { amount, quoted } = generation.cost
  const isLess = amount !== null && quoted !== null && !isZeroUsd(amount) && subtractUsd(amount, quoted).startsWith('-')
  return isLess ? `Billed for ${generation.images.length}.` : `${billedText(generation)}.`
}

/** `1 of 4 was refused after it was made. Billed for 3.` */
export function partText(generation: PartOfImages): string {
  const asked = imagesAsked(generation)
  const missing = asked - generation.images.length
  return `${missing} of ${asked} ${missingText(generation, missing === 1)}. ${billedForText(generation)}`
}

/** Why an image is missing: what is not moderated was not refused. */
function missingText({ attempts }: PartOfImages, isOne: boolean): string {
  const error = attempts.findLast((attempt) => attempt.error !== null)?.error
  if (error?.code !== 'moderated')
    return error === undefined || error === null ? (isOne ? 'was not delivered' : 'were not delivered') : 'failed'
  const when = error.stage === 'output' ? 'after' : 'before'
  return isOne ? `was refused ${when} it was made` : `were refused ${when} they were made`
}
