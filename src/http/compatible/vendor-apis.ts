import type { FastifyPluginAsync } from 'fastify'
import { refuseEncodedBodies } from '../read-body.ts'
import type { KeyHeader } from '../access.ts'
import type { ErrorShape } from '../error-shape.ts'
import { BFL_ERRORS, BFL_PREFIX, bflApi } from './bfl/bfl-api.ts'
import type { BflDependencies } from './bfl/bfl-api.ts'
import { RUNWARE_ERRORS, runwareApi } from './runware/runware-api.ts'
import type { RunwareDependencies } from './runware/runware-api.ts'

export type VendorApiDependencies = BflDependencies & RunwareDependencies

/** Headers in which these APIs' clients send the gateway key. */
export const KEY_HEADERS: readonly KeyHeader[] = [{ prefix: BFL_PREFIX, header: 'x-key' }]

/** How errors leave below their paths. */
export const ERROR_SHAPES: readonly ErrorShape[] = [BFL_ERRORS, RUNWARE_ERRORS]

/** The same for the document of our API. */
export const SECURITY_SCHEMES = {
  bflKey: { type: 'apiKey', in: 'header', name: 'x-key', description: 'A gateway key, where clients of BFL’s API send theirs.' },
} as const

/** The APIs of other vendors. */
export const vendorApis: FastifyPluginAsync<VendorApiDependencies> = async (app, deps) => {
  refuseEncodedBodies(app)
  await app.register(bflApi, deps)
  await app.register(runwareApi, deps)
}
