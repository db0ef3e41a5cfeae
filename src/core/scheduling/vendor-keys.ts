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
  /**
   * Since none of these has signed, those that were fetched meanwhile, for another callback of the same moment too; else fetched anew, at most
   * once a minute. Null where there are no others.
   */
  renewed(url: string, than: readonly KeyObject[]): Promise<readonly KeyObject[] | null>
}

interface Known {
  readonly keys: Promise<readonly KeyObject[]>
  readonly askedAtMs: number
}

/**
 * @param download the guarded client: a list of keys is fetched without any secret
 * @param report why a list cannot be had, so that an operator learns why no callback is believed
 */
export function createVendorKeys(
  download: Download,
  clock: Pick<Clock, 'monotonicMs'>,
  report: (url: string, reason: string) => void = () => {},
): VendorKeys {
  /** By URL: there are as many as manifests that name one. */
  const known = new Map<string, Known>()

  function fetchKeys(url: string): Promise<readonly KeyObject[]> {
    const before = known.get(url)?.keys ?? Promise.resolve([])
    // A list that cannot be had leaves the one before in force.
    const keys = keysBehind(download, url).catch((error: unknown) => {
      report(url, error instanceof Error ? error.message : String(error))
      return before
    })
    known.set(url, { keys, askedAtMs: clock.monotonicMs() })
    return keys
  }

  const isOlderThan = (url: string, ageMs: number): boolean => {
    const found = known.get(url)
    return found === undefined || clock.monotonicMs() - found.askedAtMs >= ageMs
  }

  return {
    at: (url) => (isOlderThan(url, FRESH_MS) ? fetchKeys(url) : (known.get(url)?.keys ?? fetchKeys(url))),
    async renewed(url, than) {
      const newest = await (isOlderThan(url, ASK_AGAIN_MS) ? fetchKeys(url) : known.get(url)?.keys)
      return newest === undefined || newest === than ? null : newest
    },
  }
}

/** @throws Error that says why */
async function keysBehind(download: Download, url: string): Promise<readonly KeyObject[]> {
  const answer = await download(url, { maxBytes: MAX_BYTES, silenceMs: TIMEOUT_MS, timeoutMs: TIMEOUT_MS, isDocument: true })
  if (answer.kind !== 'body') throw new Error(answer.kind === 'expired' ? `the server answered ${answer.status}` : answer.reason)
  const text = Buffer.concat(await Array.fromAsync(answer.stream)).toString()
  const keys = ed25519KeysIn(documentIn(text))
  if (keys === null) throw new Error('it is no JSON object with a list of keys')
  return keys
}

function documentIn(text: string): unknown {
  try {
    return parseJson(text)
  } catch {
    return null
  }
}
