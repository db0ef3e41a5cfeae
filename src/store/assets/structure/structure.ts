import type { OutputFormat } from '#contract'
import { jpegStructure } from './jpeg.ts'
import { pngStructure } from './png.ts'
import type { Structure } from './verdict.ts'
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
