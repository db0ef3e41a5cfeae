import { GENERATION, serveGateway, THIS_CHECKOUT } from './gateway.ts'
import { load } from './load.ts'
import { median, serve } from './processes.ts'

const ROUNDS = 5
const REQUESTS = 300

/** CPU of a generation whose image is fetched, checked and stored, which is the default: a fresh JPEG of about 190 kB each time. */
export async function kept(): Promise<void> {
  const vendor = await serve('./servers/image-vendor.ts')
  const gateway = await serveGateway(vendor.url, 'runware', { checkout: THIS_CHECKOUT, keep: true })
  try {
    await load(gateway, '/v1/generations', GENERATION, REQUESTS)
    const rounds: number[] = []
    for (let round = 1; round <= ROUNDS; round++) rounds.push((await load(gateway, '/v1/generations', GENERATION, REQUESTS)).cpuPerRequest)
    console.log(`median of ${ROUNDS} rounds: ${(median(rounds) / 1000).toFixed(1)} ms of CPU for each image`)
  } finally {
    for (const server of [gateway, vendor]) server.stop()
  }
}
