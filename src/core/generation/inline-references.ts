import type { Readable } from 'node:stream'
import type { GenerationRequest } from '#contract'
import type { Ports } from '../ports.ts'
import { inlineBytes } from '../../reading/inline-bytes.ts'
import { assetsOf } from './assets-of.ts'
import { Refusal } from './refusal.ts'

/** The bytes of a reference that came in its request. @throws Refusal where they are held no more */
export function sent(image: string, path: string): Readable | Buffer {
  const bytes = inlineBytes(image)
  if (bytes !== null) return bytes
  const message = 'the image came with a request that is over; send it again'
  throw new Refusal('invalid_request', `${path}: ${message}`, [{ path, message }])
}

/**
 * Stores the references that came in a request, once it is clear that it can be bought. What is quoted or refused leaves nothing on the disk: it
 * would stand in no record, cost nothing, and push the images of others out where `assets.max_bytes` is set.
 */
export async function keepInline(
  { assets, settings }: Pick<Ports, 'assets' | 'settings'>,
  { reference_images: images = [], mask }: Pick<GenerationRequest, 'reference_images' | 'mask'>,
  key: string | null,
): Promise<void> {
  const given = [...images.map((image, index) => [`reference_images.${index}`, image] as const), ['mask', mask] as const]
  await Promise.all(
    given.map(async ([path, image]) => {
      if (typeof image !== 'string' || !image.startsWith('data:')) return
      await assetsOf(assets, key).putReference(sent(image, path), settings.maxImageBytes)
    }),
  )
}
