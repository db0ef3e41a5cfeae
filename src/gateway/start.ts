import { buildGatewayApp } from './build-gateway-app.ts'
import { StoreError } from '../store/store-error.ts'
import { createServices } from './create-services.ts'
import { listenAndResume } from './listen-and-resume.ts'
import type { Server } from './listen-and-resume.ts'
import { openResources } from './open-resources.ts'
import { readConfiguration } from './read-configuration.ts'
import { StartRefused } from './read-configuration.ts'
import type { StartOptions } from './read-configuration.ts'

export { StartRefused }
export type { Server, StartOptions }

/**
 * Starts a gateway in this process; a start that fails leaves nothing open.
 * @throws StartRefused where the configuration is refused, the data folder cannot be used or the address cannot be listened on
 */
export async function startGateway(options: StartOptions): Promise<Server> {
  const opened = new AsyncDisposableStack()
  try {
    const configuration = await readConfiguration(options)
    const resources = await openResources(configuration, opened)
    const services = await createServices(resources, opened)
    const app = await buildGatewayApp(resources, services, opened)
    return await listenAndResume(app, resources, services, opened)
  } catch (error) {
    await opened.disposeAsync()
    throw inWords(error)
  }
}

/** What the operator can correct is said without a stack; anything else is a defect and keeps its own. */
function inWords(error: unknown): unknown {
  if (error instanceof StoreError) return new StartRefused(error.message, { cause: error })
  if (!(error instanceof Error) || !('syscall' in error) || error.syscall !== 'listen') return error
  return new StartRefused(`${error.message}; choose another address with HOST and PORT`, { cause: error })
}
