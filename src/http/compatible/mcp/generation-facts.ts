import { z } from 'zod'
import { Cost, Generation, GenerationError, Image, isTerminal, Timing, Warning } from '#contract'
import type { Answer } from './tool.ts'
import { remedyOf } from './tool-error.ts'

/** A warning whose values are of any form. */
export const WarningFacts = Warning.extend({ requested: z.unknown(), used: z.unknown() })

/** A generation as far as an agent needs it; the same names as GET /v1/generations/{id}. */
export const GenerationFacts = z.object({
  id: z.string().describe('For get_generation.'),
  status: Generation.shape.status.describe(
    '"queued" and "running" are not finished; "succeeded" has images; "failed" and "canceled" have an error.',
  ),
  sandbox: z.boolean().describe('true: no real provider was called, the images are placeholders and no money was spent.'),
  model: z.string(),
  provider: z.string().nullable(),
  progress: z.number().nullable().describe('0 to 1, where the provider reports it.'),
  images: z.array(Image.omit({ sha256: true })).describe('Each with a link to the image.'),
  prompt_used: z.string().nullable().describe('The prompt as the provider rewrote it.'),
  cost: Cost.omit({ lines: true }),
  total_ms: Timing.shape.total_ms,
  warnings: z.array(WarningFacts).describe('What differs from what was asked, and why.'),
  error: GenerationError.omit({ provider_status: true, provider_code: true }).extend({ remedy: z.string() }).nullable(),
})
export type GenerationFacts = z.infer<typeof GenerationFacts>

export function factsOf(generation: Generation): GenerationFacts {
  const { id, status, sandbox, model, provider, progress, images, prompt_used, cost, timing, warnings, error } = generation
  return {
    id,
    status,
    sandbox,
    model,
    provider,
    progress,
    images,
    prompt_used,
    cost,
    total_ms: timing.total_ms,
    warnings,
    error: error && { ...error, remedy: remedyOf(error.code) },
  }
}

/** What came of a generation. `failureIsError`: asked to make an image, not making one is an error; asked how it stands, it is the answer. */
export function answerOf(generation: Generation, failureIsError: boolean): Answer<GenerationFacts> {
  const facts = factsOf(generation)
  const failed = facts.status === 'failed' || facts.status === 'canceled'
  return { facts, text: textOf(facts, generation.request['n']), isError: failed && failureIsError }
}

function textOf(facts: GenerationFacts, asked: unknown): string {
  const { status, provider, images, warnings, error } = facts
  const wanted = typeof asked === 'number' ? asked : 1
  const count = images.length < wanted && status === 'succeeded' ? `${images.length} of ${wanted} images` : plural(images.length, 'image')
  const head =
    error !== null
      ? [`${error.code}: ${error.message}`, ...(images.length > 0 ? [`${count} delivered all the same.`] : []), `Remedy: ${error.remedy}`]
      : isTerminal(status)
        ? [`${status}: ${count}${provider === null ? '' : ` from ${provider}`}, ${costText(facts)}.`]
        : [
            `${status}: not finished yet${provider === null ? '' : `, at ${provider}`}. Call get_generation with id "${facts.id}"; generating again would pay again.`,
          ]
  return [
    ...head,
    ...(error === null ? [] : [`Cost: ${costText(facts)}.${billedText(error.billed)}`]),
    ...images.map((image) =>
      [image.url, sizeText(image), image.format, image.flagged === true ? 'flagged by the provider' : null].filter(Boolean).join(' '),
    ),
    ...warnings.map((warning) => `Warning: ${warningText(warning)}`),
    ...(facts.sandbox ? ['Sandbox: no real provider was called; images are placeholders and no money was spent.'] : []),
    `Generation ${facts.id}`,
  ].join('\n')
}

const plural = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? '' : 's'}`

const sizeText = ({ width, height }: { width: number | null; height: number | null }): string | null =>
  width === null || height === null ? null : `${width}×${height}`

/** What was asked, what is used instead, and why. */
export function warningText({ field, requested, used, reason }: z.infer<typeof WarningFacts>): string {
  return `${field}: ${shown(requested)} → ${shown(used)}: ${reason}`
}

const MOST_CHARS = 60
const shown = (value: unknown): string => (value === null || value === undefined ? 'none' : JSON.stringify(value).slice(0, MOST_CHARS))

function costText({ cost }: Pick<GenerationFacts, 'cost'>): string {
  if (cost.amount !== null) return `${cost.amount} USD (${cost.basis})`
  return cost.quoted === null ? 'cost not known' : `cost not known (quoted ${cost.quoted} USD)`
}

function billedText(billed: GenerationError['billed']): string {
  switch (billed) {
    case true:
      return ' The provider charged for it.'
    case false:
      return ''
    case 'unknown':
      return ' The provider may have charged for it.'
  }
}
