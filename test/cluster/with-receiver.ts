import { startVendors } from '../crash/vendors.ts'
import type { Vendors } from '../crash/vendors.ts'
import { startCluster } from '../support/cluster.ts'
import type { Cluster, ClusterOptions } from '../support/cluster.ts'
import { startReceiver } from '../webhooks/receiver.ts'
import type { Receiver } from '../webhooks/receiver.ts'

/** Three gateways with one vendor, BFL, and a receiver that their webhooks may reach. */
export interface ClusterWithReceiver {
  readonly vendors: Vendors
  readonly cluster: Cluster
  readonly receiver: Receiver
  /** How many deliveries spoke of this generation. */
  heardOf(id: string): number
  close(): Promise<void>
}

export async function startWithReceiver({ more = '', ...options }: ClusterOptions = {}): Promise<ClusterWithReceiver> {
  const receiver = await startReceiver()
  const vendors = await startVendors({ providers: ['bfl'] })
  const network = `network: { allow: ["${new URL(receiver.url).host}"] }\n`
  const cluster = await startCluster(vendors, { ...options, more: more + network })
  return {
    vendors,
    cluster,
    receiver,
    heardOf: (id) => receiver.heard.filter(({ body }) => body.includes(id)).length,
    async close() {
      await cluster.remove()
      await vendors.close()
      await receiver.close()
    },
  }
}
