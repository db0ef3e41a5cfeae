import { buildGatewayApp } from './build-gateway-app.ts'
import { createServices } from './create-services.ts'
import { listenAndResume } from './listen-and-resume.ts'
import type { Server } from './listen-and-resume.ts'
import { openResources } from './open-resources.ts'
import { readConfiguration } from './read-configuration.ts'
import type { StartOptions } from './read-configuration.ts'
import { StartRefused } from './start-refused.ts'

export { StartRefused }
export type { Server, StartOptions }

/**
 * Starts a gateway in this process; a start that fails leaves nothing open.
 * @throws StartRefused where the operator can correct why: a refused configuration, a data folder or an address that cannot be used, a faulty manifest
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
    throw StartRefused.inWords(error)
  }
}
