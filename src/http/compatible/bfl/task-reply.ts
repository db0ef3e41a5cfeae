import { bareNumber, roundedMegapixels, usdFromDecimal } from '#contract'
import type { Generation, Usd } from '#contract'
import type { GenerationRecord, Reference } from '../../../core/records.ts'

/** BFL's credits are US cents (https://docs.bfl.ai/quick_start/pricing.md, read 2026-11-21). */
export const creditsOf = (dollars: Usd): unknown => bareNumber(usdFromDecimal(dollars, 2))

/** Null where a reference's size cannot be seen. */
function inputMegapixels(references: readonly Reference[]): number | null {
  let pixels = 0
  for (const reference of references) {
    if (reference.pixels === null) return null
    pixels += reference.pixels.width * reference.pixels.height
  }
  return roundedMegapixels(pixels)
}

/** Of the size that is ordered; without one, an edit comes in the size of its first image. Null where neither is known. */
function outputMegapixels({ routes, routeIndex, references }: GenerationRecord): number | null {
  const { width, height } = routes[routeIndex]?.applied ?? {}
  const size = width !== undefined && height !== undefined ? { width, height } : references[0]?.pixels
  return size ? roundedMegapixels(size.width * size.height) : null
}

/** What the vendor itself has said of a task, where it has. */
function vendorFact({ attempts }: GenerationRecord, name: string): number | null {
  const fact = attempts.at(-1)?.vendor?.[name]
  return typeof fact === 'number' ? fact : null
}

/**
 * `AsyncResponse`, or `AsyncWebhookResponse` where a webhook was given. The cost is the quote, null where there is none; megapixels are the
 * vendor's where it has said them, else computed.
 * @param record null where it cannot be read at this moment: the task is accepted all the same
 */
export function submitReply(id: string, record: GenerationRecord | null, publicUrl: string, webhookUrl: string | null): object {
  const quoted = record?.routes[record.routeIndex]?.quoted
  const facts = {
    cost: quoted ? creditsOf(quoted.amount) : null,
    input_mp: record && (vendorFact(record, 'input_mp') ?? inputMegapixels(record.references)),
    output_mp: record && (vendorFact(record, 'output_mp') ?? outputMegapixels(record)),
  }
  return webhookUrl === null
    ? { id, polling_url: `${publicUrl}/bfl/v1/get_result?id=${id}`, ...facts }
    : { id, status: 'Pending', webhook_url: webhookUrl, ...facts }
}

type Status = 'Task not found' | 'Pending' | 'Request Moderated' | 'Content Moderated' | 'Ready' | 'Error'

/** Every field of the schema; those without a value are null. */
const NO_VALUES = { result: null, progress: null, details: null, preview: null }
const result = (id: string, status: Status, more: Partial<Record<keyof typeof NO_VALUES, unknown>> = {}): object =>
  Object.assign({ id, status }, NO_VALUES, more)

export const taskNotFound = (id: string): object => result(id, 'Task not found')

/** `ResultResponse`: what a poll and a webhook get. Its numbers are exact: seeds go beyond what a double holds. */
export function resultReply(generation: Generation): object {
  switch (generation.status) {
    case 'queued':
    case 'running':
      return result(generation.id, 'Pending', { progress: generation.progress })
    case 'succeeded':
      return ready(generation)
    case 'failed':
    case 'canceled':
      return ended(generation)
  }
}

const epochSeconds = (instant: string): number => Date.parse(instant) / 1000

function ready(generation: Generation): object {
  const [image] = generation.images
  if (!image) return result(generation.id, 'Error', { details: { error: 'it ended without an image' } })
  const start = generation.started_at ?? generation.created_at
  const prompt = generation.prompt_used ?? generation.request['prompt'] ?? null
  return result(generation.id, 'Ready', {
    result: {
      start_time: epochSeconds(start),
      prompt,
      ...(image.seed === null ? {} : { seed: bareNumber(image.seed) }),
      sample: image.url,
      ...(generation.completed_at === null
        ? {}
        : { end_time: epochSeconds(generation.completed_at), duration: (Date.parse(generation.completed_at) - Date.parse(start)) / 1000 }),
    },
  })
}

function ended({ id, error }: Generation): object {
  if (error?.code === 'moderated') {
    const status = error.stage === 'output' ? 'Content Moderated' : 'Request Moderated'
    return result(id, status, { details: { 'Moderation Reasons': error.reasons ?? [] } })
  }
  return result(id, 'Error', { details: { error: error?.message ?? 'it ended without an error', code: error?.code ?? 'internal' } })
}
