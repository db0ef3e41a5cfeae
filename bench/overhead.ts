import { startPortkey } from './bought-twice/gateways.ts'
import { keepOnCores } from './cores.ts'
import { GENERATION, serveGateway } from './gateway.ts'
import { load, WARM_UP } from './load.ts'
import type { Loaded } from './load.ts'
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

/** The same image, as OpenAI's clients order it. */
const openaiOrder = (model: string): string =>
  JSON.stringify({ model, prompt: 'A vast sunken library atrium beneath clear seawater', size: '1536x1024' })

/** What a gateway is compared with, at the vendor's address. */
export interface Rival {
  readonly server: Loaded
  readonly path: string
  readonly body: string
}

/** The bare pass-through, Portkey as npm brings it (it keeps no ledger), and this gateway through both of its ways in, at one vendor. */
export async function startRivals(): Promise<{ readonly rivals: Readonly<Record<RivalName, Rival>>; stop(): void }> {
  const vendor = await serve('./servers/vendor.ts')
  const bare = await serve('./servers/pass-through.ts', [vendor.url])
  const portkey = await startPortkey()
  const gateway = await serveGateway(vendor.url, 'runware')
  keepOnCores([bare, portkey, gateway], [vendor])
  const headers = { authorization: 'Bearer bench', 'x-portkey-provider': 'openai', 'x-portkey-custom-host': `${vendor.url}/v1` }
  return {
    rivals: {
      bare: { server: bare, path: '/', body: RUNWARE_TASK },
      portkey: { server: { ...portkey, headers }, path: '/v1/images/generations', body: openaiOrder('gpt-image-2') },
      native: { server: gateway, path: '/v1/generations', body: GENERATION },
      openai: { server: gateway, path: '/v1/images/generations', body: openaiOrder('flux-2-pro') },
    },
    stop: () => [gateway, portkey, bare, vendor].forEach((server) => server.stop()),
  }
}

const NAMES = ['bare', 'portkey', 'native', 'openai'] as const
export type RivalName = (typeof NAMES)[number]

const ROUNDS = 5
const REQUESTS = 3_000
const AIMS = { timesBare: 3, timesPortkey: 4, openaiOfNative: 1.15 }

/**
 * CPU for each request of a synchronous generation with `assets.keep: false`, with everything on (validation, planning, each commit
 * on disk, log), beside a bare pass-through and Portkey, in interleaved rounds of one run.
 */
export async function overhead(): Promise<void> {
  const { rivals, stop } = await startRivals()
  const rounds: Record<RivalName, number>[] = []
  try {
    for (const name of NAMES) await load(rivals[name].server, rivals[name].path, rivals[name].body, WARM_UP)
    for (let round = 0; round < ROUNDS; round++) {
      const cpu = { bare: 0, portkey: 0, native: 0, openai: 0 }
      for (const name of NAMES) {
        const { server, path, body } = rivals[name]
        cpu[name] = (await load(server, path, body, REQUESTS)).cpuPerRequest
      }
      rounds.push(cpu)
    }
  } finally {
    stop()
  }
  const ratio = (of: RivalName, to: RivalName): string => median(rounds.map((round) => round[of] / round[to])).toFixed(2)
  console.log(`median of ${ROUNDS} interleaved rounds, 64 connections, CPU of the server process for each request:`)
  for (const name of NAMES)
    console.log(
      `  ${name.padEnd(8)} ${median(rounds.map((round) => round[name]))
        .toFixed(0)
        .padStart(5)} µs`,
    )
  console.log(`  native / bare            ${ratio('native', 'bare')} (aim: at most ${AIMS.timesBare})`)
  console.log(`  throughput of Portkey's  ${ratio('portkey', 'native')} times, by a core's CPU (aim: at least ${AIMS.timesPortkey})`)
  console.log(`  openai / native          ${ratio('openai', 'native')} (aim: at most ${AIMS.openaiOfNative})`)
}
