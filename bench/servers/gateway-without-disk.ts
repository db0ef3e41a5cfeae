import { startGateway } from '../../src/gateway/start.ts'
import type { GenerationRecord } from '../../src/core/records.ts'
import type { Ports, Store } from '../../src/core/ports.ts'

/** The same gateway with a store that forgets: what is left is the cost without durability. Prints its address. */
const records = new Map<string, GenerationRecord>()
const wrapPorts = (ports: Ports): Ports => {
  const store: Store = {
    ...ports.store,
    async commit({ generations = [] }) {
      for (const record of generations) records.set(record.id, record)
      if (records.size > 10_000) records.clear()
    },
    generation: async (id) => records.get(id) ?? null,
  }
  return { ...ports, store }
}

const server = await startGateway({ env: process.env, overrides: { wrapPorts } })
process.stdout.write(`${server.url}\n`)
process.on('SIGTERM', () => process.exit())
