import sharp, { type Sharp } from 'sharp'
import type { OutputFormat } from '#contract'
import { assertSound } from '../src/store/assets/image-file.ts'
import { demandOf } from '../src/store/assets/measure.ts'
import { structureOf } from '../src/store/assets/structure/structure.ts'
import type { Verdict } from '../src/store/assets/structure/verdict.ts'

const ROUNDS = 40
/** As a download delivers them. */
const PIECE_BYTES = 64 * 1_024
const SIZE = { width: 1_024, height: 1_024, channels: 3 } as const

/**
 * What it costs to know that an image is whole: its structure, judged as the bytes stream past, beside a decode of all of it, which is what
 * every image cost before. The quickest of interleaved rounds each, so that what else the machine does is left out.
 */
export async function wholeImages(): Promise<void> {
  const noise = { type: 'gaussian', mean: 128, sigma: 60 } as const
  const photo = await sharp({ create: { ...SIZE, background: '#888', noise } })
    .blur(1.2)
    .raw()
    .toBuffer()
  const drawn = (): Sharp => sharp(photo, { raw: SIZE })
  await compare('jpeg', 'JPEG', await drawn().jpeg({ quality: 80 }).toBuffer())
  await compare('png', 'PNG', await drawn().png().toBuffer())
  await compare('jpeg', 'progressive JPEG', await drawn().jpeg({ quality: 80, progressive: true }).toBuffer())
  await compare('webp', 'WebP', await drawn().webp().toBuffer())
}

async function compare(format: OutputFormat, name: string, image: Buffer): Promise<void> {
  const judged = { source: image, format, owner: '', isBought: true }
  const doubtful = { kind: 'doubtful', why: 'it is measured', demand: await demandOf(image, format, '') } as const
  let structureMs = Infinity
  let statedMs = Infinity
  let decodeMs = Infinity
  for (let round = 0; round < ROUNDS; round++) {
    structureMs = Math.min(structureMs, await milliseconds(async () => void verdictOf(image, format, null)))
    statedMs = Math.min(statedMs, await milliseconds(async () => void verdictOf(image, format, image.length)))
    decodeMs = Math.min(decodeMs, await milliseconds(async () => void (await assertSound(judged, doubtful))))
  }
  const pays = (statedBytes: number | null): string => {
    const verdict = verdictOf(image, format, statedBytes)
    return verdict.kind === 'whole' ? 'the structure alone' : `both, since ${verdict.kind === 'doubtful' ? verdict.why : '?'}`
  }
  const kilobytes = Math.round(image.length / 1_000)
  console.log(
    `${name} of ${kilobytes} kB: structure ${structureMs.toFixed(2)} ms, decode into a small image ${decodeMs.toFixed(2)} ms; it pays ${pays(null)}`,
  )
  console.log(`  as long as it was stated: structure ${statedMs.toFixed(2)} ms; it pays ${pays(image.length)}`)
}

function verdictOf(image: Buffer, format: OutputFormat, statedBytes: number | null): Verdict {
  const structure = structureOf(format, statedBytes)
  for (let at = 0; at < image.length; at += PIECE_BYTES) structure.take(image.subarray(at, at + PIECE_BYTES))
  return structure.verdict()
}

async function milliseconds(work: () => Promise<void>): Promise<number> {
  const from = performance.now()
  await work()
  return performance.now() - from
}
