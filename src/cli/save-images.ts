import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Generation } from '#contract'
import type { Client } from '../client/client.ts'
import { fetchLater } from './fetch-later.ts'
import { writeWhole } from './write-whole.ts'

/**
 * Writes a generation's images into a folder, made where it does not exist.
 * @param stem the file name without number and ending
 * @returns the paths, in the order of the images
 */
export async function saveImages(client: Client, generation: Generation, folder: string, stem: string): Promise<readonly string[]> {
  if (generation.images.length === 0) return []
  await mkdir(folder, { recursive: true })
  const paths: string[] = []
  for (const [index, image] of generation.images.entries()) {
    const number = generation.images.length === 1 ? '' : `-${index + 1}`
    const path = join(folder, `${fileStem(stem)}${number}.${endingOf(image.format)}`)
    await writeWhole(path, await client.image(image), `; it is bought and kept, and \`${fetchLater(generation.id, folder, {})}\` saves it`)
    paths.push(path)
  }
  return paths
}

/** An id as a part of a file name: what a gateway calls its own leads to no other folder. */
export const fileStem = (id: string): string => id.replace(/[^A-Za-z0-9_.-]/g, '_')

const endingOf = (format: string | null): string => (format === null ? 'img' : format === 'jpeg' ? 'jpg' : fileStem(format))
