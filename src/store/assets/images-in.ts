import { createHash, randomUUID } from 'node:crypto'
import { mkdir, open, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import type { Assets, StoredAsset } from '../../core/ports.ts'
import { codeOf, diskError } from './folder-storage.ts'
import { incoming, judge, receive } from './incoming.ts'
import type { Incoming, Limits, Origin } from './incoming.ts'
import { measureHead } from './measure.ts'
import { assertSound, WIDTH_WHEN_DECODED } from './image-file.ts'
import type { Judged } from './image-file.ts'
import type { Verdict } from './structure/verdict.ts'
import { keyOfImage, type ObjectStorage } from './object-storage.ts'
import { smallImages, smallKeyOf } from './small-image.ts'
import { OWN_FILE, OWN_FOLDER } from '../own-modes.ts'

/**
 * Images by their content, wherever they are kept: checked in memory where they are small, else received into a temporary file and checked
 * there, then kept.
 * @param folder the folder of the temporary files, this process's own
 */
export function imagesIn(storage: ObjectStorage, folder: string): Assets {
  const sound = soundImages()

  async function taken(sent: Sent, kept: KeptIn): Promise<StoredAsset> {
    const { source } = sent
    const temporary = join(folder, randomUUID())
    // It may break before anybody reads it, or when it is given up; an error nobody listens to would end the process.
    if (!Buffer.isBuffer(source)) source.on('error', () => {})
    try {
      return await take(sent, temporary, kept)
    } catch (error) {
      throw diskError(error)
    } finally {
      if (!Buffer.isBuffer(source)) source.destroy()
      await rm(temporary, { force: true }).catch(() => {
        // The next start removes it.
      })
    }
  }

  return {
    put: (source, maxBytes, statedBytes = null, owner = '') =>
      taken({ source, maxBytes, statedBytes, owner, isBought: true }, { storage, sound }),
    putReference: (source, maxBytes, statedBytes = null, owner = '') =>
      taken({ source, maxBytes, statedBytes, owner, isBought: false }, { storage, sound }),
    examine: (source, maxBytes, owner = '') =>
      taken({ source, maxBytes, statedBytes: null, owner, isBought: false }, { storage: NOWHERE, sound }),
    async open(sha256, format, range, bytes) {
      return storage.open(keyOfImage(sha256, format), range, bytes)
    },
    async read(sha256, format, bytes) {
      return storage.read(keyOfImage(sha256, format), bytes)
    },
    async link(sha256, format) {
      return storage.link(keyOfImage(sha256, format))
    },
    small: smallImages(storage),
    measure: measureHead,
  }
}

interface Owned extends Limits, Pick<Judged, 'isBought'> {}

interface Sent extends Owned {
  readonly source: Readable | Buffer
}

interface KeptIn {
  readonly storage: Pick<ObjectStorage, 'renew' | 'keep' | 'write'>
  readonly sound: Sound
}

/** Of what is only examined. */
const NOWHERE: KeptIn['storage'] = {
  renew: () => Promise.resolve(false),
  keep: () => Promise.resolve(),
  write: () => Promise.resolve(),
}

/**
 * Content that was found to be sound a moment ago, by its owner and hash: what was examined is not decoded again where it is kept then. Of
 * others it says nothing, since how long an answer takes would show who sent the same bytes.
 */
interface Sound {
  has(owner: string, sha256: string): boolean
  add(owner: string, sha256: string): void
}

/** Of all owners together. */
const MOST_SOUND = 1_000

function soundImages(): Sound {
  const found = new Set<string>()
  const nameOf = (owner: string, sha256: string): string => `${sha256} ${owner}`
  return {
    has: (owner, sha256) => found.has(nameOf(owner, sha256)),
    add(owner, sha256) {
      if (found.size >= MOST_SOUND) found.clear()
      found.add(nameOf(owner, sha256))
    },
  }
}

async function take({ source, ...limits }: Sent, temporary: string, kept: KeptIn): Promise<StoredAsset> {
  const image = await incoming(source, limits.maxBytes)
  return image.kind === 'whole' ? takeWhole(image, limits, temporary, kept) : takeChunks(image, limits, temporary, kept)
}

async function soundOnce(judged: Judged, verdict: Verdict, sha256: string, { storage, sound }: KeptIn): Promise<Buffer | null> {
  if (sound.has(judged.owner, sha256)) return null
  const small = await assertSound(judged, verdict)
  if (storage === NOWHERE) sound.add(judged.owner, sha256)
  return small
}

/** Whoever removed the images removed the folder of the temporary files, perhaps. */
async function openTemporary(path: string): Promise<FileHandle> {
  const made = () => open(path, 'wx', OWN_FILE)
  return made().catch(async (error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error
    await mkdir(dirname(path), { recursive: true, mode: OWN_FOLDER })
    return made()
  })
}

/** A file is opened only for what has passed, and is not there yet. */
async function takeWhole(
  { image, format }: Extract<Incoming, { kind: 'whole' }>,
  origin: Origin & Pick<Judged, 'isBought'>,
  path: string,
  kept: KeptIn,
): Promise<StoredAsset> {
  const { storage } = kept
  const { owner, isBought } = origin
  const { verdict, size } = await judge(image, format, origin)
  const { length: bytes } = image
  const sha256 = createHash('sha256').update(image).digest('hex')
  const key = keyOfImage(sha256, format)
  if (!(await storage.renew(key, bytes))) {
    const small = await soundOnce({ source: image, format, owner, isBought }, verdict, sha256, kept)
    if (storage === NOWHERE) return { sha256, bytes, format, ...size }
    const file = await openTemporary(path)
    try {
      await file.writeFile(image)
      await storage.keep(key, { path, handle: file, bytes, sha256, format })
    } finally {
      await file.close()
    }
    await keepSmall(storage, key, small)
  }
  return { sha256, bytes, format, ...size }
}

async function takeChunks(
  image: Extract<Incoming, { kind: 'chunks' }>,
  limits: Owned,
  temporary: string,
  kept: KeptIn,
): Promise<StoredAsset> {
  const { storage } = kept
  const { format } = image
  const file = await openTemporary(temporary)
  try {
    const { sha256, bytes, verdict, size } = await receive(image, file, limits)
    const key = keyOfImage(sha256, format)
    if (!(await storage.renew(key, bytes))) {
      const small = await soundOnce({ source: temporary, format, owner: limits.owner, isBought: limits.isBought }, verdict, sha256, kept)
      await storage.keep(key, { path: temporary, handle: file, bytes, sha256, format })
      await keepSmall(storage, key, small)
    }
    return { sha256, bytes, format, ...size }
  } finally {
    await file.close()
  }
}

/** Where it cannot be kept, it is made when it is asked for. */
async function keepSmall(storage: KeptIn['storage'], key: string, small: Buffer | null): Promise<void> {
  if (small !== null) await storage.write(smallKeyOf(key, WIDTH_WHEN_DECODED), small).catch(() => {})
}
