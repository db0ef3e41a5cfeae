import { onTestFinished } from 'vitest'
import { startProcess } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { ownServer } from './postgres.ts'

interface Stored {
  readonly database?: ReturnType<typeof ownServer>
  /** The address at which a gateway reaches the server; its own by default. */
  readonly url?: string
  /** More of the configuration. */
  readonly more?: string
}

/** A PostgreSQL server, vendors, and the environment of a gateway that stores there, until the test has ended. No gateway runs yet. */
export async function vendorsOnOwnPostgres(
  options: Parameters<typeof startVendors>[0],
  { database = ownServer(), url = database.url('postgres'), more = '' }: Stored = {},
) {
  onTestFinished(() => database.remove())
  const vendors = await startVendors(options)
  onTestFinished(() => vendors.close())
  const folder = vendors.folder(`store: { url: "${url}" }\n${more}`)
  onTestFinished(() => folder.remove())
  return { database, vendors, url, environment: folder.environment }
}

/** The same, and a gateway that runs. */
export async function gatewayOnOwnPostgres(...asked: Parameters<typeof vendorsOnOwnPostgres>) {
  const around = await vendorsOnOwnPostgres(...asked)
  const server = await startProcess(around.environment)
  onTestFinished(() => void server.kill('SIGKILL'))
  return { ...around, server }
}
