import { writeSync } from 'node:fs'
import { openStore } from '../../../src/store/sqlite/store.ts'
import { generationRecord } from '../records.ts'

// Run by open.test.ts: saves generations from eight loops at once until it is killed, and prints the id of each acknowledged one.
const [directory = ''] = process.argv.slice(2)
const store = await openStore({ directory })
let count = 0

async function saveForEver(): Promise<never> {
  for (;;) {
    const id = `gen_${process.pid}_${count++}`
    await store.commit({ generations: [generationRecord(id, { createdAt: count })] })
    writeSync(1, `${id}\n`)
  }
}

await Promise.all(Array.from({ length: 8 }, saveForEver))
