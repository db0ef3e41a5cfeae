import { z } from 'zod'
import type { Store } from '../../../../core/ports.ts'
import type { Intake } from '../../../intake.ts'
import { viewOf } from '../../../../core/present/generation.ts'
import { requireOwned } from '../../../owned.ts'
import { answerOf, GenerationFacts } from '../generation-facts.ts'
import { waitArgument } from '../request-arguments.ts'
import { defineTool } from '../tool.ts'
import type { ImageLinks } from '../../../../core/present/image-link.ts'

interface GetDependencies {
  readonly intake: Pick<Intake, 'wait'>
  readonly store: Pick<Store, 'generation'>
  readonly links: ImageLinks
}

export const getGeneration = ({ intake, store, links }: GetDependencies) =>
  defineTool({
    name: 'get_generation',
    title: 'Get a generation',
    description:
      'The links, cost and warnings of a generation once it has ended, or why it failed. Free. For an id that generate or compare returned ' +
      'unfinished; it waits for the end itself.',
    arguments: z.strictObject({
      id: z.string().min(1).max(100).describe('"gen_…", as generate or compare returned it.'),
      wait_seconds: waitArgument,
    }),
    facts: GenerationFacts,
    annotations: { readOnlyHint: true, idempotentHint: true, openWorldHint: false },
    async run({ id, wait_seconds }, caller) {
      const record = requireOwned(await store.generation(id), caller, 'generation', id)
      return answerOf(viewOf((await intake.wait(id, wait_seconds * 1000)) ?? record, links), false)
    },
  })
