import type { OutputFormat } from '#contract'
import { jpegStructure } from './jpeg.ts'
import { pngStructure } from './png.ts'
import { type Demand, type Structure, UNKNOWN_DEMAND } from './verdict.ts'
import { webpStructure } from './webp.ts'

const structures: Readonly<Record<OutputFormat, (statedBytes: number | null) => Structure>> = {
  jpeg: jpegStructure,
  png: pngStructure,
  webp: webpStructure,
}

/**
 * What judges the structure of an image of this format, whose length was stated beforehand, or by nobody (null). It spares no JPEG anything: that
 * one was closed early, with fewer rows than its header says, only its codes show.
 */
export const structureOf = (format: OutputFormat, statedBytes: number | null): Structure => structures[format](statedBytes)

const STEP_BYTES = 64 * 1_024

/** What it takes to decode an image that was checked before: no more of it is read than its headers. */
export function demandOf(image: Buffer, format: OutputFormat): Demand {
  const structure = structureOf(format, null)
  for (let at = 0; at < image.length && structure.demand() === null; at += STEP_BYTES) structure.take(image.subarray(at, at + STEP_BYTES))
  return structure.demand() ?? UNKNOWN_DEMAND
}
