import type { StartOverrides } from '../../src/gateway/read-configuration.ts'
import { startOverridden } from '../crash/process.ts'
import type { ServerProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { openStorage } from './storages.ts'
import type { StorageName } from './storages.ts'

export interface StoredGatewayOptions {
  readonly providers: readonly string[]
  /** Lines of the configuration beside those of providers and storage. */
  readonly more?: string
  /** What stands beside the address of the images. */
  readonly moreOfAssets?: string
  readonly typicalMs?: number
  readonly overrides?: Omit<StartOverrides, 'wrapPorts'>
  readonly env?: Readonly<Record<string, string>>
}

export interface StoredGateway {
  readonly server: ServerProcess
  readonly vendors: Vendors
  /** Where this process keeps what is not in its storage, and its configuration. */
  readonly folder: string
  /** Other lines instead of `more`. */
  configure(more: string): void
  close(): Promise<void>
}

/** A gateway as its own process before emulated vendors, which keeps what it knows in a storage of its own; a sandbox would keep to its folder. */
export async function startStored(
  name: StorageName,
  { providers, more = '', moreOfAssets = '', typicalMs = 20, overrides = {}, env = {} }: StoredGatewayOptions,
): Promise<StoredGateway> {
  const [storage, vendors] = await Promise.all([openStorage(name), startVendors({ providers, typicalMs })])
  const lines = storage.configuration(moreOfAssets)
  const own = vendors.folder(lines + more)
  const server = await startOverridden({ ...own.environment, ...storage.environment, ...env }, { ...overrides, providers })
  return {
    server,
    vendors,
    folder: own.folder,
    configure: (other) => own.write(lines + other),
    async close() {
      await server.kill('SIGKILL')
      await vendors.close()
      storage.close()
      own.remove()
    },
  }
}
