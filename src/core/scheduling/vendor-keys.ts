import type { KeyObject } from 'node:crypto'
import { parseJson } from '#contract'
import type { Clock, Download } from '../ports.ts'
import { ed25519KeysIn } from './callback-signatures.ts'

const MAX_BYTES = 64 * 1024
const TIMEOUT_MS = 5_000
const FRESH_MS = 24 * 60 * 60_000
/** Bad signatures must not make us ask a vendor over and over. */
const ASK_AGAIN_MS = 60_000

/** The public keys that vendors publish: as they were fetched last, for a day at most. */
export interface VendorKeys {
  at(url: string): Promise<readonly KeyObject[]>
  /** Fetched anew, since none of those known has signed; at most once a minute. Null where they are as they were. */
  renewed(url: string): Promise<readonly KeyObject[] | null>
}

interface Known {
  readonly keys: Promise<readonly KeyObject[]>
  readonly askedAtMs: number
}

/** @param download the guarded client: a list of keys is fetched without any secret */
export function createVendorKeys(download: Download, clock: Pick<Clock, 'monotonicMs'>): VendorKeys {
  /** By URL: there are as many as manifests that name one. */
  const known = new Map<string, Known>()

  function fetchKeys(url: string): Promise<readonly KeyObject[]> {
    const before = known.get(url)?.keys ?? Promise.resolve([])
    // A list that cannot be had leaves the one before in force.
    const keys = keysBehind(download, url).catch(() => before)
    known.set(url, { keys, askedAtMs: clock.monotonicMs() })
    return keys
  }

  const isOlderThan = (url: string, ageMs: number): boolean => {
    const found = known.get(url)
    return found === undefined || clock.monotonicMs() - found.askedAtMs >= ageMs
  }

  return {
    at: (url) => (isOlderThan(url, FRESH_MS) ? fetchKeys(url) : (known.get(url)?.keys ?? fetchKeys(url))),
    renewed: async (url) => (isOlderThan(url, ASK_AGAIN_MS) ? fetchKeys(url) : null),
  }
}

async function keysBehind(download: Download, url: string): Promise<readonly KeyObject[]> {
  const answer = await download(url, { maxBytes: MAX_BYTES, silenceMs: TIMEOUT_MS, timeoutMs: TIMEOUT_MS, isDocument: true })
  if (answer.kind !== 'body') throw new Error('the list of keys cannot be fetched')
  return ed25519KeysIn(parseJson(Buffer.concat(await Array.fromAsync(answer.stream)).toString()))
}
