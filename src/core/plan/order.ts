import type { Applied, Call, Limits, Order, Provider, Range, ReferenceForm, Seed, Warning } from '#contract'
import type { AttemptRecord, Reference, Route } from '../records.ts'

/** One paid task of a route, with all that its order depends on: the same task gives the same order. */
export interface OrderedTask {
  readonly route: Route
  readonly prompt: string
  readonly attempt: Pick<AttemptRecord, 'taskId' | 'images' | 'seed'>
  /** In a form the offer takes; see `referenceForm`. */
  readonly references: readonly string[]
  readonly mask?: string | undefined
  readonly webhook?: { readonly url: string; readonly secret: string } | undefined
}

/**
 * The paid call of a task, in the provider's language, and what its options cause; null where the provider no longer offers the model.
 * Whoever needs a call (a purchase, its recovery, a check of the options, a demonstration) gets it here.
 */
export function translateOrder(
  { adapter, manifest }: Pick<Provider, 'adapter' | 'manifest'>,
  task: OrderedTask,
): { readonly call: Call; readonly warnings: readonly Warning[] } | null {
  const entry = manifest.models[task.route.model]
  if (!entry) return null
  const { webhook, ...rest } = task
  return adapter.translate(orderFor({ ...rest, limits: entry.limits, ...(entry.webhook !== false && { webhook }) }))
}

/** The paid tasks of a route, in their order: how many images each is asked for, and with which seed. `limits` are those of its offer. */
export const tasksOf = (route: Route, limits: Pick<Limits, 'seed'> | null): readonly Pick<AttemptRecord, 'task' | 'images' | 'seed'>[] =>
  route.tasks.map((images, task) => ({ task, images, seed: seedFor(route.applied.seed, task, route.tasks, limits?.seed ?? null) }))

/** The order for one paid task of a route. */
export function orderFor(input: OrderedTask & { readonly limits: Limits }): Order {
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
    ...(input.mask !== undefined && { mask: input.mask }),
    ...(input.webhook !== undefined && { webhook: input.webhook }),
  }
}

/** Only what was asked: an absent field is not sent, so that the vendor's default applies. */
function settingsOf(applied: Applied): Partial<Order> {
  return {
    ...sizeOf(applied),
    // The format was adapted to the offer's own list, whose values are the closed set.
    ...(applied.output_format !== undefined && { outputFormat: applied.output_format as NonNullable<Order['outputFormat']> }),
    ...(applied.output_quality !== undefined && { outputQuality: applied.output_quality }),
    ...(applied.safety_tolerance !== undefined && { safetyTolerance: applied.safety_tolerance }),
    ...(applied.prompt_upsampling !== undefined && { promptUpsampling: applied.prompt_upsampling }),
    ...(applied.guidance !== undefined && { guidance: applied.guidance }),
    ...(applied.steps !== undefined && { steps: applied.steps }),
    // Both were adapted to the offer's own lists, whose values are closed sets.
    ...(applied.quality !== undefined && { quality: applied.quality as NonNullable<Order['quality']> }),
    ...(applied.background !== undefined && { background: applied.background as NonNullable<Order['background']> }),
  }
}

/** Pixels, or a shape and a resolution. */
function sizeOf({ width, height, aspect_ratio: aspectRatio, tier }: Applied): Pick<Order, 'width' | 'height' | 'tier'> {
  const pixels = width === undefined || height === undefined ? null : { width, height }
  if (tier === undefined) return pixels ?? {}
  return { tier: { name: tier, ...(aspectRatio !== undefined && { aspectRatio }), ...(pixels && { pixels }) } }
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
  const quickly = Number(seed) + imagesBefore
  if (Number.isSafeInteger(quickly) && quickly <= Math.floor(range.max)) return String(quickly)
  const smallest = BigInt(Math.ceil(range.min))
  const above = greatestSeed(range) - BigInt(seed)
  const raised = BigInt(imagesBefore) <= above ? BigInt(seed) + BigInt(imagesBefore) : null
  return String(raised ?? smallest + ((BigInt(imagesBefore) - above - 1n) % (greatestSeed(range) - smallest + 1n)))
}

export function isSeedInRange(seed: Seed, range: Range): boolean {
  // A double compares exactly with a whole number that it holds; most seeds are such, and each offer of a plan asks.
  const number = Number(seed)
  if (Number.isSafeInteger(number)) return number >= Math.ceil(range.min) && number <= Math.floor(range.max)
  return BigInt(seed) >= BigInt(Math.ceil(range.min)) && BigInt(seed) <= greatestSeed(range)
}

function greatestSeed(range: Range): bigint {
  const max = BigInt(Math.floor(range.max))
  return max < GREATEST_SEED ? max : GREATEST_SEED
}

/** The form in which a reference is sent: a link where it came as one and the offer takes links, else its bytes; a data URI before bare base64, since it names its format. */
export function referenceForm(reference: Reference, forms: readonly ReferenceForm[]): ReferenceForm {
  if (reference.url !== undefined && forms.includes('url')) return 'url'
  return forms.includes('data_uri') || !forms.includes('base64') ? 'data_uri' : 'base64'
}
