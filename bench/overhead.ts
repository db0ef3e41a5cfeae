import { GENERATION, serveGateway } from './gateway.ts'
import { load } from './load.ts'
import type { Measured } from './load.ts'
import { median, serve } from './processes.ts'

export const RUNWARE_TASK = JSON.stringify([
  {
    taskType: 'imageInference',
    taskUUID: '57dfe0a1-910d-4be7-ba1a-bdc5c876e655',
    model: 'bfl:5@1',
    positivePrompt: 'A vast sunken library atrium',
    width: 1536,
    height: 1024,
    seed: 16070,
  },
])

const ROUNDS = 7
const REQUESTS = 6_000

/**
 * What the gateway adds to a bare pass-through: CPU per request of a synchronous Runware generation with `assets.keep: false`,
 * with everything on (validation, planning, SQLite with FULL sync, log), in interleaved rounds of one run.
 */
export async function overhead(): Promise<void> {
  const vendor = await serve('./servers/vendor.ts')
  const passThrough = await serve('./servers/pass-through.ts', [vendor.url])
  const gateway = await serveGateway(vendor.url, 'runware')
  const rounds: { bare: Measured; gateway: Measured }[] = []
  try {
    await load(passThrough, '/', RUNWARE_TASK, REQUESTS)
    await load(gateway, '/v1/generations', GENERATION, REQUESTS)
    for (let round = 1; round <= ROUNDS; round++) {
      const bare = await load(passThrough, '/', RUNWARE_TASK, REQUESTS)
      const ours = await load(gateway, '/v1/generations', GENERATION, REQUESTS)
      rounds.push({ bare, gateway: ours })
      console.log(
        `round ${round}: bare ${bare.cpuPerRequest.toFixed(1)} µs, gateway ${ours.cpuPerRequest.toFixed(1)} µs, ${Math.round(ours.requestsPerSecond)} requests/s`,
      )
    }
  } finally {
    for (const server of [gateway, passThrough, vendor]) server.stop()
  }
  const bare = median(rounds.map((round) => round.bare.cpuPerRequest))
  const ours = median(rounds.map((round) => round.gateway.cpuPerRequest))
  const ratio = median(rounds.map((round) => round.gateway.cpuPerRequest / round.bare.cpuPerRequest))
  console.log(`\nmedian of ${ROUNDS} interleaved rounds, 64 connections, CPU of the server process:`)
  console.log(
    `  bare undici pass-through   ${bare.toFixed(1)} µs/request  ${Math.round(median(rounds.map((round) => round.bare.requestsPerSecond)))} requests/s`,
  )
  console.log(
    `  imagegate, Runware sync    ${ours.toFixed(1)} µs/request  ${Math.round(median(rounds.map((round) => round.gateway.requestsPerSecond)))} requests/s`,
  )
  console.log(`  ratio                      ${ratio.toFixed(2)} (aim: at most 2.5)`)
  console.log(
    `  one core's worth           ${Math.round(1_000_000 / ours)} requests/s (Portkey 1.15.2 as measured in the dependency evaluation: 1,600)`,
  )
}
