import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SANDBOX_KEY } from '#sandbox'
import { loadCatalogue } from '../../src/catalogue/catalogue.ts'
import { startFront } from '../support/vendor-front.ts'
import type { Front } from '../support/vendor-front.ts'

/** Emulated vendors that outlive the gateways which buy from them, each behind a front that sees every request. */
export interface Vendors {
  readonly fronts: ReadonlyMap<string, Front>
  front(provider: string): Front
  /** Tasks the emulator has sold. */
  submits(provider: string): number
  /** The most tasks of the emulator that were unfinished at once. */
  mostUnfinished(provider: string): number
  /** A fresh folder with a configuration that names these vendors; what a gateway's environment must hold. */
  folder(more?: string): {
    readonly environment: Readonly<Record<string, string>>
    readonly dataDirectory: string
    readonly folder: string
    write(more: string): void
    remove(): void
  }
  close(): Promise<void>
}

export interface VendorsOptions {
  readonly providers: readonly string[]
  readonly typicalMs?: number
  /** `max_in_flight` of each in the configuration. */
  readonly maxInFlight?: number
}

export async function startVendors({ providers, typicalMs = 40, maxInFlight }: VendorsOptions): Promise<Vendors> {
  const catalogue = await loadCatalogue()
  const started = await Promise.all(
    providers.map(async (id) => {
      const sandbox = await (await catalogue.loadEmulator(id))({ typicalMs })
      return { id, sandbox, front: await startFront(sandbox.url) }
    }),
  )
  const fronts = new Map(started.map(({ id, front }) => [id, front]))
  return {
    fronts,
    front(provider) {
      const front = fronts.get(provider)
      if (!front) throw new Error(`${provider} was not started`)
      return front
    },
    submits: (provider) => started.find(({ id }) => id === provider)?.sandbox.submits() ?? 0,
    mostUnfinished: (provider) => started.find(({ id }) => id === provider)?.sandbox.mostUnfinished() ?? 0,
    folder(more = '') {
      const folder = mkdtempSync(join(tmpdir(), 'imagegate-crash-'))
      const most = maxInFlight === undefined ? '' : `, max_in_flight: ${maxInFlight}`
      const lines = started.map(({ id, front }) => `  ${id}: { api_key: ${SANDBOX_KEY}, base_url: "${front.url}"${most} }`)
      const path = join(folder, 'imagegate.yaml')
      const write = (text: string): void => writeFileSync(path, `providers:\n${lines.join('\n')}\n${text}`)
      write(more)
      const dataDirectory = join(folder, 'data')
      return {
        environment: { IMAGEGATE_CONFIG: path, IMAGEGATE_DATA: dataDirectory },
        dataDirectory,
        folder,
        write,
        remove: () => rmSync(folder, { recursive: true, force: true }),
      }
    },
    async close() {
      await Promise.all(started.flatMap(({ sandbox, front }) => [front.close(), sandbox.close()]))
    },
  }
}
