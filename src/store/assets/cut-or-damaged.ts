import { AssetError } from '../../core/ports.ts'

export const cutOrDamaged = (why: string): AssetError => new AssetError('not_an_image', `the image is cut off or damaged (${why})`)
