import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openStore } from '../../../src/store/sqlite/store.ts'
import { storeConformance } from '../conformance.ts'

storeConformance('sqlite', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'imagegate-store-'))
  return { open: () => openStore({ directory }), remove: () => rm(directory, { recursive: true }) }
})
