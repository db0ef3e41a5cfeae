import { createHash } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { startOverridden } from '../crash/process.ts'
import { startVendors } from '../crash/vendors.ts'
import { openStorage } from './storages.ts'

/**
 * A gateway on PostgreSQL until the test has ended, which sells Runware's to the keys `many` and `few`.
 * @param ofEach what the configuration says of each key beside its name and hash
 */
export async function gatewayOfTwoKeys(
  ofEach = '',
  maxInFlight?: number,
  typicalMs?: number,
): Promise<{ readonly url: string; readonly database: string }> {
  const [storage, vendors] = await Promise.all([
    openStorage('PostgreSQL and a bucket'),
    startVendors({
      providers: ['runware'],
      ...(maxInFlight === undefined ? {} : { maxInFlight }),
      ...(typicalMs === undefined ? {} : { typicalMs }),
    }),
  ])
  const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex')
  const keys = ['many', 'few'].map((name) => `{ name: ${name}, key_hash: ${hashOf(name)}${ofEach} }`)
  const own = vendors.folder(`${storage.configuration()}keys: [${keys.join(', ')}]\n`)
  const server = await startOverridden({ ...own.environment, ...storage.environment }, { providers: ['runware'] })
  onTestFinished(async () => {
    await server.kill('SIGKILL')
    await vendors.close()
    storage.close()
    own.remove()
  })
  return { url: server.url, database: storage.database ?? '' }
}
