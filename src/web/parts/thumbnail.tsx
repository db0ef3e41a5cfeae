import type { Image } from '../../client/index.ts'
import { client } from '../shell/gateway.ts'

/** The width of a small rendition: twice what is shown, for screens of two device pixels each. */
const RENDITION = 256

export const small = (address: string): string => `${address}${address.includes('?') ? '&' : '?'}w=${RENDITION}`

/** An image in a box of its final size, never cropped. */
export function Thumbnail({
  image,
  width,
  height,
}: {
  readonly image: Image | undefined
  readonly width: number
  readonly height: number
}) {
  return (
    <span class="thumbnail" style={{ aspectRatio: `${width} / ${height}` }}>
      {image === undefined ? null : (
        <img
          src={small(client().imageAddress(image))}
          alt=""
          width={image.width ?? width}
          height={image.height ?? height}
          loading="lazy"
          decoding="async"
        />
      )}
    </span>
  )
}
