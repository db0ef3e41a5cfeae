import { openPostgresStore } from '../../../src/store/postgres/store.ts'
import { emptied, freshDatabase, POSTGRES_PROGRAMS } from '../../support/postgres.ts'
import { storeConformance } from '../conformance.ts'

let database: Promise<string> | null = null

storeConformance(
  'postgres',
  async () => {
    const url = await (database ??= freshDatabase())
    await emptied(url)
    return { open: () => openPostgresStore(url), remove: async () => {} }
  },
  { skip: POSTGRES_PROGRAMS === null },
)
