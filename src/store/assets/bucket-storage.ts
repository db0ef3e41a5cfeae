import { createReadStream } from 'node:fs'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as pause } from 'node:timers/promises'
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3'
import type { HeadObjectCommandOutput } from '@aws-sdk/client-s3'
import { getSignedUrl } from '@aws-sdk/s3-request-presigner'
import { AssetError } from '../../core/ports.ts'
import type { ByteRange } from '../../core/ports.ts'
import type { BucketAddress } from './bucket-address.ts'
import type { ObjectStorage, ReceivedFile, StoredObject } from './object-storage.ts'
import { takenStream } from './taken-stream.ts'
import type { Fetched } from './taken-stream.ts'

/** An image that is younger is not removed by any sweep, so it need not be stored again. */
const SURELY_KEPT_MS = 10 * 60_000
/** From reading an image’s age to its removal, at most. */
const REMOVAL_MS = 2_000
const TRIES = 3
const PAUSE_MS = 250
/** Long enough for the slowest download to begin. */
const LINK_SECONDS = 600
const CONNECT_MS = 5_000
const REPLY_MS = 60_000
/** Whoever reads and is sent nothing for so long gets an error: a connection whose other side is gone says nothing for ever. */
const SILENCE_MS = 15_000
const STORING_SOCKETS = 50
const CONTENT_TYPES = { jpeg: 'image/jpeg', png: 'image/png', webp: 'image/webp' } as const

/**
 * Images in a bucket of an S3-compatible service. Credentials come from the environment, as the AWS SDK reads them. An object appears whole or
 * not at all; the service checks it against its SHA-256.
 * @throws AssetError `storage`, in words, where the bucket cannot be reached or the credentials are refused
 */
export async function openBucket(address: BucketAddress): Promise<ObjectStorage & { close(): void }> {
  const { bucket, prefix } = address
  const client = clientOf(address)
  const at = (key: string) => ({ Bucket: bucket, Key: prefix + key })
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }))
  } catch (error) {
    client.destroy()
    throw refusedAtStart(address, error)
  }

  const signing = signerOf(client, address)
  const head = (key: string): Promise<HeadObjectCommandOutput | null> => unlessGone(client.send(new HeadObjectCommand(at(key))))
  const reading = readerOf(address, client)

  const old = new Set<string>()
  return {
    async renew(key, bytes) {
      const found = await head(key)
      if (found === null || found.ContentLength !== bytes) return false
      if (ageMs(found) < SURELY_KEPT_MS) return true
      // Storing it again is the only way to make it young.
      old.add(key)
      return false
    },
    async keep(key, file) {
      const wasOld = old.delete(key)
      await put(client, at(key), file)
      if (!wasOld) return
      // A sweep that saw it old a moment ago may remove it still; a bucket cannot remove on the condition that nothing changed.
      await pause(REMOVAL_MS)
      if ((await head(key)) === null) await put(client, at(key), file)
    },
    open: reading.open,
    read: reading.read,
    async link(key) {
      if ((await head(key)) === null) return null
      return getSignedUrl(signing, new GetObjectCommand(at(key)), { expiresIn: LINK_SECONDS }).catch(failed)
    },
    has: async (key) => (await head(key)) !== null,
    write: async (key, bytes) => {
      await client.send(new PutObjectCommand({ ...at(key), Body: bytes, ContentType: CONTENT_TYPES.webp })).catch(failed)
    },
    list: () => listed(client, address),
    async removeUntouched(object) {
      const found = await head(object.key)
      if (found?.LastModified?.getTime() !== object.storedAtMs) return false
      await client.send(new DeleteObjectCommand(at(object.key)), { abortSignal: AbortSignal.timeout(REMOVAL_MS) }).catch(failed)
      return true
    },
    remove: async (key) => {
      await client.send(new DeleteObjectCommand(at(key))).catch(failed)
    },
    close() {
      client.destroy()
      reading.close()
    },
  }
}

/** Callers read at their own pace, on connections of their own: what stores images does not wait for those who dawdle. */
function readerOf(address: BucketAddress, { config: { credentials } }: S3Client): Pick<ObjectStorage, 'open' | 'read'> & { close(): void } {
  const client = clientOf(address, { credentials, maxSockets: Infinity, silenceMs: SILENCE_MS })
  const get = (key: string, range?: ByteRange, whole?: number): Promise<Fetched | null> => {
    const at = { Bucket: address.bucket, Key: address.prefix + key }
    const part = range === undefined ? {} : { Range: `bytes=${range.start}-${range.end}` }
    const reply = client.send(new GetObjectCommand({ ...at, ...part }))
    return unlessGone(
      reply.then(({ Body, ContentLength: bytes, ContentRange }) => {
        const found = fetched(Body, range?.start ?? 0, bytes)
        if (whole === undefined || whole === Number(ContentRange?.split('/')[1] ?? bytes)) return found
        found.stream.destroy()
        return null
      }),
    )
  }
  return {
    async open(key, range, bytes) {
      const first = await get(key, range, bytes)
      if (first === null) return null
      return takenStream(first, async (start) => ((await get(key, { start, end: first.end })) ?? failed(new Error('removed'))).stream)
    },
    async read(key, bytes) {
      const found = await get(key, undefined, bytes)
      return found === null ? null : buffer(found.stream).catch(failed)
    },
    close: () => client.destroy(),
  }
}

interface ClientOptions {
  readonly credentials?: S3Client['config']['credentials']
  readonly maxSockets?: number
  readonly silenceMs?: number
}

const clientOf = (
  { region, endpoint, pathStyle }: BucketAddress,
  { credentials, maxSockets = STORING_SOCKETS, silenceMs = REPLY_MS }: ClientOptions = {},
): S3Client =>
  new S3Client({
    ...(credentials === undefined ? {} : { credentials }),
    ...(region === null ? {} : { region }),
    ...(endpoint === null ? {} : { endpoint }),
    forcePathStyle: pathStyle,
    // Services that are not Amazon's know no checksums in trailers; what is stored carries its SHA-256 instead.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    requestHandler: {
      connectionTimeout: CONNECT_MS,
      requestTimeout: REPLY_MS,
      socketTimeout: silenceMs,
      throwOnRequestTimeout: true,
      httpAgent: { maxSockets },
      httpsAgent: { maxSockets },
    },
  })

/**
 * Signs links, and sends nothing. The host is part of what is signed, and callers may reach the bucket under another one. Its credentials are as
 * the other one finds them, which may ask the machine for its role.
 */
const signerOf = (client: S3Client, address: BucketAddress): S3Client =>
  address.publicEndpoint === null
    ? client
    : clientOf({ ...address, endpoint: address.publicEndpoint }, { credentials: client.config.credentials })

/** A stream cannot be sent a second time, so each try reads the file anew; the SDK repeats everything else by itself. */
async function put(client: S3Client, at: { readonly Bucket: string; readonly Key: string }, file: ReceivedFile): Promise<void> {
  const { path, bytes, sha256, format } = file
  for (let tries = 1; ; tries++) {
    const Body = createReadStream(path)
    try {
      await client.send(
        new PutObjectCommand({
          ...at,
          Body,
          ContentLength: bytes,
          ContentType: CONTENT_TYPES[format],
          ChecksumSHA256: Buffer.from(sha256, 'hex').toString('base64'),
        }),
      )
      return
    } catch (error) {
      if (tries === TRIES || !isPassing(error)) failed(error)
      await pause(PAUSE_MS * tries)
    } finally {
      Body.destroy()
    }
  }
}

async function* listed(client: S3Client, { bucket, prefix }: BucketAddress): AsyncGenerator<StoredObject> {
  let token: string | undefined
  do {
    const page = await client
      .send(new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ...(token === undefined ? {} : { ContinuationToken: token }) }))
      .catch(failed)
    for (const { Key: key = '', Size: bytes = 0, LastModified: storedAt } of page.Contents ?? [])
      if (storedAt !== undefined) yield { key: key.slice(prefix.length), bytes, storedAtMs: storedAt.getTime() }
    token = page.NextContinuationToken
  } while (token !== undefined)
}

const ageMs = ({ LastModified: storedAt }: HeadObjectCommandOutput): number =>
  storedAt === undefined ? Infinity : Date.now() - storedAt.getTime()

function fetched(body: unknown, start: number, bytes: number | undefined): Fetched {
  if (!(body instanceof Readable) || bytes === undefined) throw new Error('the reply had no body, or did not say how long it is')
  return { stream: body, start, end: start + bytes - 1 }
}

const statusOf = (error: unknown): number | undefined =>
  (error as { readonly $metadata?: { readonly httpStatusCode?: number } } | null)?.$metadata?.httpStatusCode

const isPassing = (error: unknown): boolean => {
  const status = statusOf(error)
  return status === undefined || status >= 500 || status === 429
}

/** Null where the object is not there. */
const unlessGone = <T>(reply: Promise<T>): Promise<T | null> =>
  reply.catch((error: unknown) => (statusOf(error) === 404 ? null : failed(error)))

/** The SDK’s name of the error, and its status: never its text, which may hold a signed address. */
function wordsOf(error: unknown): string {
  const status = statusOf(error)
  const name = error instanceof Error ? error.name : 'unknown error'
  const code = error instanceof Error && 'code' in error ? `, ${String(error.code)}` : ''
  return status === undefined ? `${name}${code}` : `${name}, status ${status}`
}

function failed(error: unknown): never {
  throw new AssetError('storage', `the image could not be stored in or read from the bucket (${wordsOf(error)})`)
}

function refusedAtStart({ bucket, endpoint }: BucketAddress, error: unknown): AssetError {
  const remedies: Readonly<Record<number, string>> = {
    301: 'it is in another region: name it with ?region=',
    403: 'check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and that they may list, read, write and delete there',
    404: 'create it first',
  }
  const remedy = remedies[statusOf(error) ?? 0] ?? 'check the address and the credentials (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY)'
  const where = endpoint === null ? bucket : `${bucket} at ${endpoint}`
  return new AssetError('storage', `assets.url: the bucket ${where} cannot be used (${wordsOf(error)}); ${remedy}`)
}
