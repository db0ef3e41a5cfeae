import type { FastifyPluginAsync } from 'fastify'
import { refuseEncodedBodies } from '../read-body.ts'
import { bflApi } from './bfl/bfl-api.ts'
import type { BflDependencies } from './bfl/bfl-api.ts'
import { runwareApi } from './runware/runware-api.ts'
import type { RunwareDependencies } from './runware/runware-api.ts'

export type VendorApiDependencies = BflDependencies & RunwareDependencies

/** The APIs of other vendors; each asks for the gateway key in that vendor’s way. */
export const vendorApis: FastifyPluginAsync<VendorApiDependencies> = async (app, deps) => {
  refuseEncodedBodies(app)
  await app.register(bflApi, deps)
  await app.register(runwareApi, deps)
}
