import { createHash } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { THIS_CHECKOUT } from './gateway.ts'
import { median, residentBytes, serve } from './processes.ts'
import type { Served } from './processes.ts'

const ROUNDS = 3
/** Normal generations of a round; for each, nine hostile things are done. */
const NORMAL = 60
const HOSTILE_FOR_EACH = 9
const EVERY_MS = 60
const KEY = 'the-key-of-the-hostile-bench'
const AUTH = { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' }

/** The p50 and p99 of normal generations while nine of ten requests are hostile, beside calm ones, in turn. */
export async function hostile(): Promise<void> {
  const vendor = await serve('./servers/hostile-vendor.ts')
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-bench-'))
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(
    config,
    `keys: [{ name: bench, key_hash: ${createHash('sha256').update(KEY).digest('hex')} }]\nnetwork: { allow: ["${new URL(vendor.url).host}"] }\nbreaker: { faults: 1000 }\nproviders: { runware: { base_url: "${vendor.url}", api_key: bench-key-0123, max_in_flight: 1000 } }\n`,
  )
  const gateway = await serve(join(THIS_CHECKOUT, 'src/main.ts'), [], {
    IMAGEGATE_CONFIG: config,
    IMAGEGATE_DATA: join(folder, 'data'),
    PORT: '0',
  })
  try {
    await round(gateway, false)
    const rounds: { readonly calm: Waits; readonly hostile: Waits }[] = []
    for (let index = 0; index < ROUNDS; index += 1) {
      const one = { calm: await round(gateway, false), hostile: await round(gateway, true) }
      rounds.push(one)
      console.log(`calm ${shown(one.calm)}; 90 % hostile ${shown(one.hostile)}; ${mebibytes(gateway)} MiB resident`)
    }
    const ratio = (of: 'p50' | 'p99'): string => median(rounds.map((one) => one.hostile[of] / one.calm[of])).toFixed(2)
    console.log(`median of ${ROUNDS} rounds: p50 ${ratio('p50')} times, p99 ${ratio('p99')} times calm (aim: p99 within 2 times)`)
  } finally {
    for (const server of [gateway, vendor]) server.stop()
    setTimeout(() => rmSync(folder, { recursive: true, force: true }), 1_000).unref()
  }
}

interface Waits {
  readonly p50: number
  readonly p99: number
}

const shown = ({ p50, p99 }: Waits): string => `p50 ${p50.toFixed(0)} ms, p99 ${p99.toFixed(0)} ms`
const mebibytes = ({ pid }: Served): string => (residentBytes(pid) / 1_048_576).toFixed(0)
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Generations begin at a steady pace, whatever becomes of those before. */
async function round(gateway: Served, isHostile: boolean): Promise<Waits> {
  const attacks: Promise<unknown>[] = []
  const normal: Promise<number>[] = []
  for (let index = 0; index < NORMAL; index += 1) {
    for (let nth = 0; nth < (isHostile ? HOSTILE_FOR_EACH : 0); nth += 1) {
      const attack = ATTACKS[(index * HOSTILE_FOR_EACH + nth) % ATTACKS.length]
      if (attack) attacks.push(attack(gateway.url).catch(() => null))
    }
    normal.push(generate(gateway.url))
    await pause(EVERY_MS)
  }
  const waits = (await Promise.all(normal)).toSorted((a, b) => a - b)
  await Promise.all(attacks)
  sockets.splice(0).forEach((socket) => socket.destroy())
  const at = (share: number): number => waits[Math.min(waits.length - 1, Math.floor(waits.length * share))] ?? Number.NaN
  return { p50: at(0.5), p99: at(0.99) }
}

async function generate(url: string): Promise<number> {
  const startedAt = performance.now()
  const reply = await post(url, '/v1/generations', '{"model":"runware/flux-2-pro","prompt":"a lighthouse"}')
  const { status } = JSON.parse(reply) as { status?: string }
  if (status !== 'succeeded') throw new Error(`a normal generation was answered ${reply.slice(0, 300)}`)
  return performance.now() - startedAt
}

const post = async (url: string, path: string, body: string, headers: Readonly<Record<string, string>> = AUTH): Promise<string> =>
  (await fetch(url + path, { method: 'POST', headers, body })).text()

const sockets: Socket[] = []
async function say(url: string, text: string): Promise<void> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname).on('error', () => {})
  sockets.push(socket)
  socket.resume().write(text)
}

const vendorSays = (story: string) => (url: string) =>
  post(url, '/v1/generations', `{"model":"runware/flux-2-pro","prompt":"hostile:${story}"}`, { ...AUTH, prefer: 'respond-async' })
const HEAD = ' HTTP/1.1\r\nhost: 127.0.0.1\r\n'
const UPGRADE =
  'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
const JUNK = 'a'.repeat(4_000_000)
const DEEP = '['.repeat(500_000)
const FILTERS = Array.from({ length: 80 }, (_, index) => `metadata.k${index}=v`).join('&')

/** Each is as frequent as the others. */
const ATTACKS: readonly ((url: string) => Promise<unknown>)[] = [
  (url) => post(url, '/v1/generations', '{}', { authorization: 'Bearer an-unknown-key' }),
  (url) => post(url, '/nope', JUNK, {}),
  (url) => post(url, '/v1/quotes', JSON.stringify({ model: 'flux-2-pro', prompt: JUNK })),
  (url) => post(url, '/v1/quotes', DEEP),
  (url) => say(url, `POST /runware/v1${HEAD}content-type: application/json\r\ncontent-length: 60000\r\n\r\n[`),
  (url) => say(url, ''),
  (url) => say(url, `GET /runware/v1${HEAD}${UPGRADE}`),
  (url) => say(url, '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'),
  async (url) => (await fetch(`${url}/v1/generations?${FILTERS}`, { headers: AUTH })).text(),
  vendorSays('image'),
  vendorSays('reply'),
]
