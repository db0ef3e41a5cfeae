import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startProcess, type ServerProcess } from '../crash/process.ts'
import { buyInline, inlineConfig, INLINE_SHAPES, startInlineVendor, type InlineShape, type InlineVendor } from '../support/inline-vendor.ts'
import { leastStop, LONGEST_STOP_MS, startNeighbour, type Neighbour } from '../support/neighbour.ts'
import { mostResidentBytes, residentBytes } from '../support/resident-bytes.ts'
import { useRealSockets } from '../transport/real-sockets.ts'

useRealSockets()

const AT_ONCE = 8
const MOST_TIMES_THE_BYTES = 3
let folder: string
let vendor: InlineVendor
let server: ServerProcess
let neighbour: Neighbour
/** Resident before anything was bought. */
let calmBytes: number

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'imagegate-inline-'))
  vendor = await startInlineVendor(AT_ONCE)
  writeFileSync(join(folder, 'imagegate.yaml'), inlineConfig(vendor))
  server = await startProcess({ IMAGEGATE_DATA: join(folder, 'data'), IMAGEGATE_CONFIG: join(folder, 'imagegate.yaml') })
  neighbour = await startNeighbour(server)
  calmBytes = residentBytes(server.pid)
}, 60_000)
afterAll(async () => {
  neighbour.end()
  await server.kill('SIGKILL')
  vendor.close()
  rmSync(folder, { recursive: true, force: true })
})

test.each(Object.keys(INLINE_SHAPES) as InlineShape[])(
  'eight replies that hold 10 MB each, shaped as %s, stop no neighbour for 50 ms and take three times their bytes at most',
  { timeout: 90_000 },
  async (shape) => {
    vendor.shape = shape
    let most = Infinity
    const buy = async (): Promise<void> => {
      const bytes = await mostResidentBytes(server.pid, () => buyInline(server.url, vendor))
      most = Math.min(most, (bytes - calmBytes) / (AT_ONCE * vendor.replyBytes))
    }
    const stops = await leastStop(neighbour, buy)
    console.log(
      `${shape}: longest stop ${stops.longestMs.toFixed(0)} ms (${stops.longestWallMs.toFixed(0)} on the wall), ${most.toFixed(1)} times the bytes`,
    )
    expect(stops.failed).toBe(0)
    expect(stops.longestMs).toBeLessThan(LONGEST_STOP_MS)
    expect(most).toBeLessThan(MOST_TIMES_THE_BYTES)
  },
)
