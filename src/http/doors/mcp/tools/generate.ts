import { z } from 'zod'
import type { AppDependencies } from '../../../app.ts'
import { viewOf } from '../../../../run/view.ts'
import { answerOf, GenerationFacts } from '../generation-facts.ts'
import { bodyOf, ceilingOf, idempotencyArgument, pictureArguments, waitArgument } from '../request-arguments.ts'
import { defineTool } from '../tool.ts'

export const generate = ({ pipe, publicUrl }: Pick<AppDependencies, 'pipe' | 'publicUrl'>) =>
  defineTool({
    name: 'generate',
    title: 'Generate pictures',
    description:
      'Makes pictures from a prompt, or edits reference_images, and returns links to them with what they cost. SPENDS MONEY, at most max_price_usd as quoted. ' +
      'Waits for the end; when that takes longer than wait_seconds it returns an id for get_generation: do not call generate again for it, that would pay twice. ' +
      'A refused prompt, a price above the ceiling or a provider’s failure is an error with a code and a remedy.',
    arguments: z.strictObject({
      ...pictureArguments,
      max_price_usd: ceilingOf('this call, all n pictures together,'),
      wait_seconds: waitArgument,
      idempotency_key: idempotencyArgument,
    }),
    facts: GenerationFacts,
    annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true },
    async run({ max_price_usd, wait_seconds, idempotency_key, ...picture }, key) {
      const request = pipe.read(bodyOf(picture, max_price_usd))
      const { id } = await pipe.begin(request, key, idempotency_key)
      const record = await pipe.wait(id, wait_seconds * 1000)
      if (record === null) throw new Error(`generation ${id} was begun and is not stored`)
      return answerOf(viewOf(record, publicUrl()), true)
    },
  })
