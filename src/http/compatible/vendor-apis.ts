import type { FastifyPluginAsync } from 'fastify'
import { bflDoor } from './bfl/bfl-api.ts'
import type { BflDoorDependencies } from './bfl/bfl-api.ts'
import { runwareDoor } from './runware/runware-api.ts'
import type { RunwareDoorDependencies } from './runware/runware-api.ts'

/** The doors that speak a vendor’s own language; each asks for the gateway key in that vendor’s way. */
export const vendorDoors: FastifyPluginAsync<BflDoorDependencies & RunwareDoorDependencies> = async (app, deps) => {
  await app.register(bflDoor, deps)
  await app.register(runwareDoor, deps)
}
