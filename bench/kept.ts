import { mostResidentBytes } from '../test/support/resident-bytes.ts'
import { GENERATION, serveGateway, THIS_CHECKOUT } from './gateway.ts'
import { load } from './load.ts'
import { median, residentBytes, serve } from './processes.ts'
import type { Served } from './processes.ts'

const ROUNDS = 5
const KINDS = [
  { kind: 'jpeg', name: 'JPEG of 190 kB', requests: 200, aimMs: 0.8 },
  { kind: 'png', name: 'PNG of 3.3 MB', requests: 40, aimMs: 2.5 },
] as const
const AT_ONCE = 64

/** CPU and time of a generation whose image is fetched, checked and stored, which is the default, beside its floor; then memory. */
export async function kept(): Promise<void> {
  for (const one of KINDS) await besideFloor(one)
  await memory()
}

async function besideFloor({ kind, name, requests, aimMs }: (typeof KINDS)[number]): Promise<void> {
  const vendor = await serve('./servers/image-vendor.ts', [kind])
  const floor = await serve('./servers/image-floor.ts', [vendor.url])
  const gateway = await serveGateway(vendor.url, 'runware', { checkout: THIS_CHECKOUT, keep: true })
  const measured = async (server: Served, path: string, count: number, connections: number) => {
    const { cpuPerRequest, requestsPerSecond } = await load(server, path, GENERATION, count, connections)
    return { cpuMs: cpuPerRequest / 1_000, eachMs: (1_000 / requestsPerSecond) * connections }
  }
  const rounds: Record<'floor' | 'ours' | 'floorAlone' | 'oursAlone', { cpuMs: number; eachMs: number }>[] = []
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      const seen = {
        floor: await measured(floor, '/', requests, 8),
        ours: await measured(gateway, '/v1/generations', requests, 8),
        floorAlone: await measured(floor, '/', 20, 1),
        oursAlone: await measured(gateway, '/v1/generations', 20, 1),
      }
      // The first round warms up.
      if (round > 0) rounds.push(seen)
    }
  } finally {
    for (const server of [gateway, floor, vendor]) server.stop()
  }
  const of = (what: keyof (typeof rounds)[number], figure: 'cpuMs' | 'eachMs'): string =>
    median(rounds.map((round) => round[what][figure])).toFixed(1)
  const more = median(rounds.map(({ ours, floor: least }) => ours.cpuMs - least.cpuMs)).toFixed(1)
  console.log(`${name}: ${of('ours', 'cpuMs')} ms of CPU, its floor ${of('floor', 'cpuMs')}: ${more} more (aim: at most ${aimMs})`)
  console.log(`  one at a time it is answered in ${of('oursAlone', 'eachMs')} ms, its floor in ${of('floorAlone', 'eachMs')}`)
}

/** Rounds of as many images of 12 MB at once: what stays level is no longer held for each. */
async function memory(): Promise<void> {
  const vendor = await serve('./servers/image-vendor.ts', ['large'])
  const gateway = await serveGateway(vendor.url, 'runware', { keep: true })
  try {
    await load(gateway, '/v1/generations', GENERATION, 4, 1)
    const calm = residentBytes(gateway.pid)
    for (let round = 1; round <= 3; round++) {
      const most = await mostResidentBytes(gateway.pid, () => load(gateway, '/v1/generations', GENERATION, AT_ONCE, AT_ONCE))
      console.log(`${AT_ONCE} images of 12 MB at once, round ${round}: ${((most - calm) / 1e6).toFixed(0)} MB more than before`)
    }
  } finally {
    for (const server of [gateway, vendor]) server.stop()
  }
}
