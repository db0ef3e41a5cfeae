import { z } from 'zod'
import { Quote, QuotedOffer } from '#contract'
import type { Accept } from '../../../../core/generation/accept.ts'
import type { Intake } from '../../../intake.ts'
import { WarningFacts, warningText } from '../generation-facts.ts'
import { bodyOf, ceilingOf, imageArguments, USUAL_ARGUMENTS } from '../request-arguments.ts'
import { defineTool } from '../tool.ts'

const QuoteFacts = Quote.extend({ offers: z.array(QuotedOffer.extend({ warnings: z.array(WarningFacts) })) })

export const quote = ({ intake, accept }: { readonly intake: Pick<Intake, 'read'>; readonly accept: Pick<Accept, 'quote'> }) =>
  defineTool({
    name: 'quote',
    title: 'Quote an image',
    description:
      'What each provider would charge for an image, cheapest first: price, the size it would really make, what it would adapt, why it cannot. Free. ' +
      'Takes every argument of generate; use its prices to choose max_price_usd.',
    arguments: z.strictObject({
      ...imageArguments,
      max_price_usd: ceilingOf('it').optional(),
    }),
    listed: USUAL_ARGUMENTS,
    facts: QuoteFacts,
    annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    async run({ max_price_usd, ...image }, { key }) {
      const facts = await accept.quote(intake.read(bodyOf(image, max_price_usd ?? null)), key)
      return { facts, text: textOf(facts) }
    },
  })

function textOf({ model, offers, cheapest, fastest }: Quote): string {
  const lines = offers.map((offer) => {
    const price = offer.cost === null ? 'no published price' : `${offer.cost.amount} USD`
    if (!offer.eligible) return `${offer.provider}: not eligible: ${offer.reasons.join(' ')}`
    const { width, height } = offer.applied ?? {}
    const notes = [...offer.warnings.map(warningText), ...offer.assumptions]
    return `${offer.provider}: ${[price, ...(width && height ? [`${width}×${height}`] : []), ...notes].join('; ')}`
  })
  const best = [...(cheapest === null ? [] : [`cheapest: ${cheapest}`]), ...(fastest === null ? [] : [`fastest: ${fastest}`])]
  return [`${model}${best.length > 0 ? ` (${best.join(', ')})` : ''}`, ...lines].join('\n')
}
