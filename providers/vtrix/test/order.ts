import { readFileSync } from 'node:fs'
import { Manifest, type Order, type OutputFormat } from '#contract'
import { leastOrder } from '../../../test/support/least-order.ts'
import type { VtrixOptions } from '../wire.ts'

export const manifest = Manifest.parse(JSON.parse(readFileSync(new URL('../manifest.json', import.meta.url), 'utf8')))

/** The part of a request that these tests write: already legal for the offer, references as https URLs or data URIs. */
export interface LegalRequest {
  readonly model: string
  readonly prompt: string
  readonly width?: number
  readonly height?: number
  readonly reference_images?: readonly string[]
  readonly seed?: string
  readonly output_format?: OutputFormat
  readonly safety_tolerance?: number
  readonly prompt_upsampling?: boolean
  readonly provider_options?: { readonly vtrix?: VtrixOptions }
}

/** The order for a request that needs no adapting: the field names change, and data URIs become the base64 this vendor takes. */
export function orderOf(request: LegalRequest): Order<VtrixOptions> {
  return leastOrder(manifest, request.model, {
    prompt: request.prompt,
    references: (request.reference_images ?? []).map((reference) => reference.replace(/^data:[^,]*,/, '')),
    options: request.provider_options?.vtrix ?? {},
    ...(request.width === undefined ? {} : { width: request.width }),
    ...(request.height === undefined ? {} : { height: request.height }),
    ...(request.seed === undefined ? {} : { seed: request.seed }),
    ...(request.output_format === undefined ? {} : { outputFormat: request.output_format }),
    ...(request.safety_tolerance === undefined ? {} : { safetyTolerance: request.safety_tolerance }),
    ...(request.prompt_upsampling === undefined ? {} : { promptUpsampling: request.prompt_upsampling }),
  })
}
