import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buyInline, inlineConfig, INLINE_SHAPES, startInlineVendor, type InlineShape } from '../test/support/inline-vendor.ts'
import { startNeighbour } from '../test/support/neighbour.ts'
import { mostResidentBytes, residentBytes } from '../test/support/resident-bytes.ts'
import { THIS_CHECKOUT } from './gateway.ts'
import { cpuMicroseconds, serve } from './processes.ts'

const AT_ONCE = 8
const ROUNDS = 3

/** Eight replies at once that hold an image of 10 MB each in base64: the longest stop of the event loop, memory and CPU, by the vendor's shape. */
export async function inline(): Promise<void> {
  const vendor = await startInlineVendor(AT_ONCE)
  const folder = mkdtempSync(join(tmpdir(), 'imagegate-bench-'))
  const config = join(folder, 'imagegate.yaml')
  writeFileSync(config, inlineConfig(vendor))
  const environment = { IMAGEGATE_CONFIG: config, IMAGEGATE_DATA: join(folder, 'data'), PORT: '0' }
  const gateway = await serve(join(THIS_CHECKOUT, 'bin/gateway.mjs'), [], environment)
  const neighbour = await startNeighbour(gateway)
  const calmBytes = residentBytes(gateway.pid)
  const { imageBytes, replyBytes } = vendor
  console.log(
    `${AT_ONCE} images of ${(imageBytes / 1e6).toFixed(1)} MB at once, ${(replyBytes / 1e6).toFixed(1)} MB as base64; resident before ${(calmBytes / 1e6).toFixed(0)} MB`,
  )
  try {
    for (const shape of Object.keys(INLINE_SHAPES) as InlineShape[]) {
      vendor.shape = shape
      for (let round = 1; round <= ROUNDS; round += 1) {
        const [cpu, startedAt] = [cpuMicroseconds(gateway.pid), performance.now()]
        let most = 0
        let ms = 0
        const stops = await neighbour.stopsDuring(async () => {
          most = await mostResidentBytes(gateway.pid, () => buyInline(gateway.url, vendor))
          ms = performance.now() - startedAt
        })
        const cpuMs = (cpuMicroseconds(gateway.pid) - cpu) / 1_000
        console.log(
          `${shape}: longest stop ${stops.longestMs.toFixed(0)} ms (${stops.longestWallMs.toFixed(0)} on the wall), ` +
            `${((most - calmBytes) / AT_ONCE / replyBytes).toFixed(1)} times the replies more in memory (${((most - calmBytes) / AT_ONCE / imageBytes).toFixed(1)} times the images), ${(cpuMs / AT_ONCE).toFixed(0)} ms of CPU an image, all in ${ms.toFixed(0)} ms`,
        )
      }
    }
  } finally {
    neighbour.end()
    gateway.stop()
    vendor.close()
    setTimeout(() => rmSync(folder, { recursive: true, force: true }), 1_000).unref()
  }
}
