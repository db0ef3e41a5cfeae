import type { Server, StartOptions } from '../gateway/start.ts'
import type { CheckedPrice } from '../core/prices/check-prices.ts'
import type { Verified, VerifyOptions } from '../gateway/verify-provider.ts'
import { VerbFailed } from './terminal.ts'

/** Starts a gateway in this process. Its code is loaded only here, so that a verb that talks to a running one stays quick. */
export async function startGateway(options: StartOptions): Promise<Server> {
  const { startGateway } = await import('../gateway/start.ts')
  return inWords('the gateway cannot start', () => startGateway(options))
}

/** The vendors' own lists of prices beside ours, without a gateway. */
export async function checkPublishedPrices(
  options: StartOptions,
  only: { readonly provider?: string; readonly model?: string },
): Promise<readonly CheckedPrice[]> {
  const { checkPublishedPrices } = await import('../gateway/check-prices.ts')
  return inWords('the prices cannot be checked', () => checkPublishedPrices(options, only))
}

/** A provider beside what we expect of it, over a gateway in this process. */
export async function verifyProvider(start: StartOptions, options: VerifyOptions): Promise<Verified> {
  const { verifyProvider } = await import('../gateway/verify-provider.ts')
  return inWords('nothing was verified', () => verifyProvider(start, options))
}

async function inWords<Result>(what: string, work: () => Promise<Result>): Promise<Result> {
  const { StartRefused } = await import('../gateway/start-refused.ts')
  try {
    return await work()
  } catch (error) {
    const refused = StartRefused.inWords(error)
    if (refused instanceof StartRefused) throw new VerbFailed(`${what}:\n${refused.message}`)
    throw error
  }
}
