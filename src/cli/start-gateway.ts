import type { Server, StartOptions } from '../gateway/start.ts'
import { VerbFailed } from './terminal.ts'

/** Starts a gateway in this process. Its code is loaded only here, so that a verb that talks to a running one stays quick. */
export async function startGateway(options: StartOptions): Promise<Server> {
  const { startGateway, StartRefused } = await import('../gateway/start.ts')
  try {
    return await startGateway(options)
  } catch (error) {
    if (error instanceof StartRefused) throw new VerbFailed(`the gateway cannot start:\n${error.message}`)
    throw error
  }
}
