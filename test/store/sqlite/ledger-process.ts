import { writeSync } from 'node:fs'
import { openStore } from '../../../src/store/sqlite/store.ts'
import { budget, ledgerEntry, settlement } from '../ledger-entries.ts'

// Run by ledger.test.ts: reserves, settles and releases from eight loops at once until it is killed; prints each settled attempt when
// it is acknowledged.
const [directory = ''] = process.argv.slice(2)
const store = await openStore({ directory })
const period = '2026-11'
let count = 0

async function buyForEver(): Promise<never> {
  for (;;) {
    const id = `${process.pid}_${count++}`
    await store.commit({ ledger: [ledgerEntry(id, { kind: 'reserved', period })], budget: budget({ limit: '1000000' }) })
    await store.commit({
      ledger: [settlement(id, `att_${id}`, { amount: '0.02' }), ledgerEntry(id, { kind: 'released', amount: '0.01', period })],
    })
    writeSync(1, `att_${id}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, buyForEver))
