import type { OutputFormat } from '#contract'

/** An image as it was found when it was checked. */
export interface StoredAsset {
  readonly sha256: string
  readonly format: OutputFormat
  readonly width: number
  readonly height: number
  readonly bytes: number
}
