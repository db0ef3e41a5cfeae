import type Sharp from 'sharp'

let loading: Promise<typeof Sharp> | null = null

/** Native code, a fifteenth of a start; the first image loads it. */
export function decoder(): Promise<typeof Sharp> {
  loading ??= import('sharp').then(({ default: sharp }) => {
    // One thread for each image: many images at a time matter here, not the single one. Nothing is decoded twice, so a cache is only memory.
    sharp.concurrency(1)
    sharp.cache(false)
    return sharp
  })
  return loading
}
