import { z } from 'zod'
import type { Intake } from '../../../intake.ts'
import { viewOf } from '../../../../core/present/generation.ts'
import { answerOf, GenerationFacts } from '../generation-facts.ts'
import { bodyOf, ceilingOf, idempotencyArgument, imageArguments, waitArgument } from '../request-arguments.ts'
import { defineTool } from '../tool.ts'
import type { ImageLinks } from '../../../../core/present/image-link.ts'

export const generate = ({ intake, links }: { readonly intake: Pick<Intake, 'read' | 'begin' | 'wait'>; readonly links: ImageLinks }) =>
  defineTool({
    name: 'generate',
    title: 'Generate images',
    description:
      'Makes images from a prompt, or edits reference_images; returns links and what they cost. SPENDS MONEY, at most max_price_usd as quoted. ' +
      'What takes longer than wait_seconds comes back as an id for get_generation: do not call generate again for it, that would pay twice.',
    arguments: z.strictObject({
      ...imageArguments,
      max_price_usd: ceilingOf('all n images together'),
      wait_seconds: waitArgument,
      idempotency_key: idempotencyArgument,
    }),
    facts: GenerationFacts,
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    async run({ max_price_usd, wait_seconds, idempotency_key, ...image }, { key }) {
      const request = intake.read(bodyOf(image, max_price_usd))
      const { id } = await intake.begin(request, key, idempotency_key)
      const record = await intake.wait(id, wait_seconds * 1000)
      if (record === null) throw new Error(`generation ${id} was begun and is not stored`)
      return answerOf(viewOf(record, links), true)
    },
  })
