import sharp, { type Sharp } from 'sharp'
import { greyJpeg, insertedBefore, png, pngChunk, pngEnd, pngHeader, pngRows, segment } from './image-parts.ts'

export interface HonestImage {
  readonly bytes: Buffer
  readonly width: number
  readonly height: number
  /** Whether its structure alone shows that it is whole. */
  readonly isCertain: boolean
}

const WIDTH = 150
const HEIGHT = 94

const noisy = (): Sharp =>
  sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: '#468', noise: { type: 'gaussian', mean: 128, sigma: 40 } } })
const flat = (): Sharp => sharp({ create: { width: WIDTH, height: HEIGHT, channels: 3, background: '#468' } })

const sized = async (image: Promise<Buffer> | Buffer, isCertain: boolean, width = WIDTH, height = HEIGHT): Promise<HonestImage> => ({
  bytes: await image,
  width,
  height,
  isCertain,
})

/** What encoders of many kinds write: each must be stored byte for byte. */
export async function honestImages(): Promise<ReadonlyMap<string, HonestImage>> {
  const alpha = noisy().ensureAlpha(0.5)
  const jpeg = await noisy().jpeg().toBuffer()
  const images: Record<string, Promise<HonestImage>> = {
    'a baseline JPEG': sized(jpeg, true),
    'a JPEG with all its colour': sized(noisy().jpeg({ chromaSubsampling: '4:4:4', quality: 95 }).toBuffer(), true),
    'a JPEG of quality 20': sized(noisy().jpeg({ quality: 20 }).toBuffer(), true),
    'a JPEG of quality 100': sized(noisy().jpeg({ quality: 100 }).toBuffer(), true),
    'a JPEG with its own code tables': sized(noisy().jpeg({ optimiseCoding: true }).toBuffer(), true),
    'a JPEG with the suggested code tables': sized(noisy().jpeg({ optimiseCoding: false }).toBuffer(), true),
    'a flat JPEG': sized(flat().jpeg().toBuffer(), true),
    'a grey JPEG': sized(noisy().greyscale().jpeg().toBuffer(), true),
    'a CMYK JPEG': sized(noisy().toColourspace('cmyk').jpeg().toBuffer(), true),
    'a progressive JPEG': sized(noisy().jpeg({ progressive: true }).toBuffer(), false),
    'a JPEG by mozjpeg': sized(noisy().jpeg({ mozjpeg: true }).toBuffer(), false),
    'a JPEG with restart markers': sized(greyJpeg({ columns: 203, rows: 61, restartInterval: 3 }), true, 203, 61),
    'a JPEG with a restart marker behind each block': sized(greyJpeg({ columns: 64, rows: 64, restartInterval: 1 }), true, 64, 64),
    'a JPEG with one scan a component': sized(greyJpeg({ columns: 33, rows: 17, components: 3 }), true, 33, 17),
    'a JPEG of one pixel': sized(noisy().resize(1, 1).jpeg().toBuffer(), true, 1, 1),
    'a JPEG with EXIF that turns it': sized(noisy().withMetadata({ orientation: 6 }).jpeg().toBuffer(), true, HEIGHT, WIDTH),
    'a JPEG with a colour profile': sized(noisy().withIccProfile('p3').jpeg().toBuffer(), true),
    'a JPEG with a comment that is a page': sized(
      insertedBefore(jpeg, 0xdb, segment(0xfe, Buffer.from('<script>alert(1)</script>'))),
      true,
    ),
    'a JPEG with EXIF that makes no sense': sized(
      insertedBefore(jpeg, 0xdb, segment(0xe1, Buffer.from('Exif\0\0II*\0\xff\xff\xff\xff', 'latin1'))),
      true,
    ),
    'a JPEG with a profile that makes no sense': sized(
      insertedBefore(jpeg, 0xdb, segment(0xe2, Buffer.from(`ICC_PROFILE\0\x01\x01${'x'.repeat(200)}`, 'latin1'))),
      true,
    ),
    'a JPEG with fill bytes before its markers': sized(insertedBefore(jpeg, 0xda, Buffer.alloc(7, 0xff)), true),
    'a JPEG with zeros behind its end': sized(Buffer.concat([jpeg, Buffer.alloc(100)]), true),
    'a JPEG with a line break behind its end': sized(Buffer.concat([jpeg, Buffer.from('\r\n')]), true),
    'a JPEG with a gain map behind it': sized(Buffer.concat([jpeg, jpeg]), true),
    'a PNG': sized(noisy().png().toBuffer(), true),
    'a PNG that is hardly pressed': sized(noisy().png({ compressionLevel: 0 }).toBuffer(), true),
    'a flat PNG': sized(flat().png().toBuffer(), false),
    'an interlaced PNG': sized(noisy().png({ progressive: true }).toBuffer(), true),
    'a PNG with a palette': sized(noisy().png({ palette: true }).toBuffer(), true),
    'a PNG of 16 bits': sized(noisy().toColourspace('rgb16').png().toBuffer(), true),
    'a grey PNG': sized(noisy().greyscale().png().toBuffer(), true),
    'a PNG of 1 bit': sized(noisy().greyscale().threshold(128).png({ palette: true, colours: 2 }).toBuffer(), true),
    'a PNG with transparency': sized(alpha.clone().png().toBuffer(), true),
    'a PNG with EXIF that turns it': sized(noisy().withMetadata({ orientation: 8 }).png().toBuffer(), true, HEIGHT, WIDTH),
    'a PNG with a colour profile': sized(noisy().withIccProfile('p3').png().toBuffer(), true),
    'a PNG in many data chunks': sized(inManyChunks(), true, 64, 64),
    'a PNG with text, time and an unknown chunk': sized(
      png(
        pngHeader({}),
        pngChunk('tEXt', Buffer.from('prompt\0a cat')),
        pngChunk('caBX', Buffer.alloc(300)),
        pngChunk('IDAT', pngRows()),
        pngChunk('tIME', Buffer.alloc(7, 1)),
        pngEnd,
      ),
      true,
      64,
      64,
    ),
    'a PNG with a profile that makes no sense': sized(
      png(pngHeader({}), pngChunk('iCCP', Buffer.from('x\0\0nonsense')), pngChunk('IDAT', pngRows()), pngEnd),
      true,
      64,
      64,
    ),
    'a lossy WebP': sized(noisy().webp().toBuffer(), false),
    'a lossless WebP': sized(noisy().webp({ lossless: true }).toBuffer(), false),
    'a lossy WebP with transparency': sized(alpha.clone().webp().toBuffer(), false),
    'a WebP of quality 1': sized(flat().webp({ quality: 1 }).toBuffer(), false),
    'a WebP with EXIF that turns it': sized(noisy().withMetadata({ orientation: 5 }).webp().toBuffer(), false, HEIGHT, WIDTH),
    'a WebP with a colour profile': sized(noisy().withIccProfile('p3').webp().toBuffer(), false),
  }
  const made = await Promise.all(Object.entries(images).map(async ([name, image]) => [name, await image] as const))
  return new Map(made)
}

function inManyChunks(): Buffer {
  const data = pngRows()
  const parts = Array.from({ length: Math.ceil(data.length / 100) }, (_, index) => data.subarray(index * 100, index * 100 + 100))
  return png(pngHeader({}), ...parts.map((part) => pngChunk('IDAT', part)), pngEnd)
}
