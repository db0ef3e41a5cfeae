import { usdFromDecimal } from '#contract'
import type { Generation, Usd } from '#contract'
import type { GenerationRecord, Reference } from '../../../core/records.ts'
import { exactNumber } from '../exact-number.ts'

/** BFL's credits are US cents (https://docs.bfl.ai/quick_start/pricing.md, read 2026-11-21). */
export const creditsOf = (dollars: Usd): unknown => exactNumber(usdFromDecimal(dollars, 2))

const MEGAPIXEL = 1_048_576

/** Megapixels as BFL tells them: two decimals, in units of 1024 x 1024 (live replies, 2025-11-27). */
const megapixels = (pixels: number): number => Math.round((pixels / MEGAPIXEL) * 100) / 100

/** Null where a reference's size cannot be seen. */
function inputMegapixels(references: readonly Reference[]): number | null {
  let pixels = 0
  for (const reference of references) {
    if (reference.pixels === null) return null
    pixels += reference.pixels.width * reference.pixels.height
  }
  return megapixels(pixels)
}

/**
 * `AsyncResponse`, or `AsyncWebhookResponse` where a webhook was given. The cost is the quote, null where there is none.
 * @param record null where it cannot be read at this moment: the task is accepted all the same
 */
export function submitReply(id: string, record: GenerationRecord | null, publicUrl: string, webhookUrl: string | null): object {
  const route = record?.routes[record.routeIndex]
  const { width, height } = route?.applied ?? {}
  const told = {
    cost: route?.quoted ? creditsOf(route.quoted.amount) : null,
    input_mp: record && inputMegapixels(record.references),
    output_mp: width === undefined || height === undefined ? null : megapixels(width * height),
  }
  return webhookUrl === null
    ? { id, polling_url: `${publicUrl}/bfl/v1/get_result?id=${id}`, ...told }
    : { id, status: 'Pending', webhook_url: webhookUrl, ...told }
}

type Status = 'Task not found' | 'Pending' | 'Request Moderated' | 'Content Moderated' | 'Ready' | 'Error'

const result = (id: string, status: Status, more: object = {}): object => ({
  id,
  status,
  result: null,
  progress: null,
  details: null,
  preview: null,
  ...more,
})

export const taskNotFound = (id: string): object => result(id, 'Task not found')

/** `ResultResponse`: what a poll and a webhook are told. Its numbers are exact: seeds go beyond what a double holds. */
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
      ...(image.seed === null ? {} : { seed: exactNumber(image.seed) }),
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
