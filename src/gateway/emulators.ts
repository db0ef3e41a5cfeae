import type { Catalogue } from '../catalogue/catalogue.ts'
import type { Sandbox, SandboxOptions } from '#sandbox'

export interface Emulators {
  /** Base URL by provider id. */
  readonly urls: ReadonlyMap<string, string>
  close(): Promise<void>
}

/**
 * Starts every provider's emulator on loopback, where it has one. With a `directory` each keeps its tasks and its port there, so that a sandbox that was
 * killed goes on; several may run in one directory, the later ones on other ports.
 */
export async function startEmulators(catalogue: Catalogue, options: SandboxOptions): Promise<Emulators> {
  const starting = [...catalogue.providers.keys()]
    .filter((id) => catalogue.hasEmulator(id))
    .map(async (id): Promise<readonly [string, Sandbox]> => [id, await (await catalogue.loadEmulator(id))(options)])
  const ends = await Promise.allSettled(starting)
  const started = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []))
  const close = async (): Promise<void> => {
    await Promise.all(started.map(([, sandbox]) => sandbox.close()))
  }
  const failed = ends.find((end) => end.status === 'rejected')
  // Those that listen would keep a process alive whose start is refused.
  if (failed !== undefined) {
    await close()
    throw failed.reason
  }
  return { urls: new Map(started.map(([id, sandbox]) => [id, sandbox.url])), close }
}
