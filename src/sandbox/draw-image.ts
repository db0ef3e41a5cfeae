import { share } from './chance.ts'

export interface ImageOrder {
  readonly width: number
  readonly height: number
  readonly format: 'jpeg' | 'png' | 'webp'
  readonly quality?: number
  readonly prompt: string
  /** Digits. */
  readonly seed: string
}

/** Draws a real image: layered hills under a sun, whose shapes and colours follow from prompt and seed alone. */
export async function drawImage(order: ImageOrder): Promise<Buffer> {
  const { default: sharp } = await import('sharp')
  const image = sharp(Buffer.from(landscape(order)))
  switch (order.format) {
    case 'jpeg':
      return image.jpeg({ quality: order.quality ?? 85 }).toBuffer()
    case 'png':
      return image.png({ compressionLevel: 4 }).toBuffer()
    case 'webp':
      return image.webp({ quality: order.quality ?? 80, effort: 1 }).toBuffer()
  }
}

function landscape({ width, height, prompt, seed }: ImageOrder): string {
  const roll = (name: string): number => share(`${seed}\n${name}\n${prompt}`)
  const hue = Math.floor(roll('hue') * 360)
  const hills = Array.from({ length: 5 }, (_, layer) => {
    const base = height * (0.45 + layer * 0.11)
    const amplitude = height * (0.05 + 0.08 * roll(`amplitude ${layer}`))
    const phase = roll(`phase ${layer}`) * Math.PI * 2
    const waves = 1.5 + roll(`waves ${layer}`) * 2.5
    const ridge = Array.from({ length: 49 }, (_, step) => {
      const y = base + Math.sin(phase + (step / 48) * waves * Math.PI) * amplitude
      return `${((step / 48) * width).toFixed(1)},${y.toFixed(1)}`
    })
    return `<polygon points="0,${height} ${ridge.join(' ')} ${width},${height}" fill="hsl(${(hue + 20 * layer) % 360},${45 - layer * 4}%,${52 - layer * 9}%)"/>`
  })
  const sun = { x: width * (0.15 + 0.7 * roll('sun x')), y: height * (0.12 + 0.2 * roll('sun y')), r: Math.min(width, height) * 0.09 }
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
<defs><linearGradient id="sky" x1="0" y1="0" x2="0" y2="1"><stop offset="0" stop-color="hsl(${(hue + 200) % 360},70%,38%)"/><stop offset="0.7" stop-color="hsl(${(hue + 30) % 360},85%,78%)"/></linearGradient></defs>
<rect width="${width}" height="${height}" fill="url(#sky)"/><circle cx="${sun.x}" cy="${sun.y}" r="${sun.r}" fill="hsl(${(hue + 45) % 360},95%,88%)"/>
${hills.join('\n')}</svg>`
}
