import type { Applied, Limits, Order, Range, ReferenceForm, Seed } from '#contract'
import type { AttemptRecord, Reference, Route } from '../records.ts'

/** The order for one paid task of a route. `references` are already in a form the offer takes; see `referenceForm`. */
export function orderFor(input: {
  readonly route: Route
  readonly limits: Limits
  readonly prompt: string
  readonly attempt: Pick<AttemptRecord, 'taskId' | 'images' | 'seed'>
  readonly references: readonly string[]
  readonly webhook?: { readonly url: string; readonly secret: string } | undefined
}): Order {
  const { route, attempt } = input
  return {
    taskId: attempt.taskId,
    model: route.model,
    providerModel: route.providerModel,
    limits: input.limits,
    prompt: input.prompt,
    references: input.references,
    count: attempt.images,
    options: route.options,
    ...settingsOf(route.applied),
    ...(attempt.seed !== null && { seed: attempt.seed }),
    ...(input.webhook !== undefined && { webhook: input.webhook }),
  }
}

/** Only what was asked: an absent field is not sent, so that the vendor's default applies. */
function settingsOf(applied: Applied): Partial<Order> {
  return {
    ...(applied.width !== undefined && { width: applied.width }),
    ...(applied.height !== undefined && { height: applied.height }),
    // The format was adapted to the offer's own list, whose values are the closed set.
    ...(applied.output_format !== undefined && { outputFormat: applied.output_format as NonNullable<Order['outputFormat']> }),
    ...(applied.output_quality !== undefined && { outputQuality: applied.output_quality }),
    ...(applied.safety_tolerance !== undefined && { safetyTolerance: applied.safety_tolerance }),
    ...(applied.prompt_upsampling !== undefined && { promptUpsampling: applied.prompt_upsampling }),
    ...(applied.guidance !== undefined && { guidance: applied.guidance }),
    ...(applied.steps !== undefined && { steps: applied.steps }),
  }
}

/** 2^63−1. A manifest's greatest seed is a double and may lie one above it. */
const GREATEST_SEED = 9_223_372_036_854_775_807n

/**
 * The seed of one task of a request as digits, or null where none is sent. The first task has the asked seed; each later one has it raised by
 * the number of images before it, so that several tasks give different images and the whole can be repeated. Beyond the
 * offer's greatest seed it goes on from the smallest.
 * @param seed the applied seed
 * @param tasks images in each task, as in `Route.tasks`
 * @param range the offer's seeds
 */
export function seedFor(seed: Seed | undefined, taskIndex: number, tasks: readonly number[], range: Range | null): string | null {
  if (seed === undefined || range === null) return null
  const imagesBefore = tasks.slice(0, taskIndex).reduce((sum, images) => sum + images, 0)
  const smallest = BigInt(Math.ceil(range.min))
  const room = greatestSeed(range) - BigInt(seed)
  const raised = BigInt(imagesBefore) <= room ? BigInt(seed) + BigInt(imagesBefore) : null
  return String(raised ?? smallest + ((BigInt(imagesBefore) - room - 1n) % (greatestSeed(range) - smallest + 1n)))
}

export function isSeedInRange(seed: Seed, range: Range): boolean {
  return BigInt(seed) >= BigInt(Math.ceil(range.min)) && BigInt(seed) <= greatestSeed(range)
}

function greatestSeed(range: Range): bigint {
  const max = BigInt(Math.floor(range.max))
  return max < GREATEST_SEED ? max : GREATEST_SEED
}

/** How to hand a reference on: a link as a link where the offer takes links, else its bytes; a data URI before bare base64, since it names its format. */
export function referenceForm(reference: Reference, forms: readonly ReferenceForm[]): ReferenceForm {
  if (reference.kind === 'url' && forms.includes('url')) return 'url'
  return forms.includes('data_uri') || !forms.includes('base64') ? 'data_uri' : 'base64'
}
