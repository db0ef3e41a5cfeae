import { GENERATION, serveGateway } from './gateway.ts'
import { load } from './load.ts'
import { median, serve } from './processes.ts'

const ROUNDS = 7
const REQUESTS = 5_000

/** What durability costs: the gateway beside itself with a store that forgets, in interleaved rounds of one run. */
export async function durability(): Promise<void> {
  const vendor = await serve('./servers/vendor.ts')
  const durable = await serveGateway(vendor.url, 'runware')
  const forgetful = await serveGateway(vendor.url, 'runware', { script: 'bench/servers/gateway-without-disk.ts' })
  const rounds: { durable: number; forgetful: number }[] = []
  try {
    for (const gateway of [durable, forgetful]) await load(gateway, '/v1/generations', GENERATION, REQUESTS)
    for (let round = 1; round <= ROUNDS; round++) {
      const without = await load(forgetful, '/v1/generations', GENERATION, REQUESTS)
      const withDisk = await load(durable, '/v1/generations', GENERATION, REQUESTS)
      rounds.push({ durable: withDisk.cpuPerRequest, forgetful: without.cpuPerRequest })
      console.log(`round ${round}: without ${without.cpuPerRequest.toFixed(0)} µs, durable ${withDisk.cpuPerRequest.toFixed(0)} µs`)
    }
  } finally {
    for (const server of [durable, forgetful, vendor]) server.stop()
  }
  const ratio = median(rounds.map((round) => round.durable / round.forgetful))
  console.log(
    `\nmedian of ${ROUNDS} interleaved rounds: ${median(rounds.map((round) => round.forgetful)).toFixed(0)} µs without, ${median(rounds.map((round) => round.durable)).toFixed(0)} µs durable`,
  )
  console.log(`  ratio ${ratio.toFixed(2)} (aim: at most 2)`)
}
