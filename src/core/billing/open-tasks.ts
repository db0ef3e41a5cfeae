import type { GenerationRecord } from '../records.ts'
import type { Breathe, Store } from '../ports.ts'
import type { Invoice } from './invoice.ts'
import type { OpenTask } from './reconciliation-rows.ts'

const PAGE = 100

interface OpenDependencies {
  readonly store: Pick<Store, 'list'>
  readonly openHere: () => Iterable<GenerationRecord>
}

/**
 * The tasks of an invoice that are under way, by their ids: a vendor may write its invoice while they are, and the account has no line of them.
 */
export async function openTasksOn(
  { store, openHere }: OpenDependencies,
  { tasks }: Invoice,
  provider: string | undefined,
  breathe: Breathe,
): Promise<ReadonlyMap<string, OpenTask>> {
  const found = new Map<string, OpenTask>()
  const search = (generation: GenerationRecord): void => {
    for (const attempt of generation.attempts) {
      const { providerTaskId: id, endedAt, route } = attempt
      const isAsked = provider === undefined || generation.routes[route]?.provider === provider
      if (id !== null && endedAt === null && isAsked && tasks.has(id)) found.set(id, { generation, attempt })
    }
  }
  for await (const records of runningAnywhere(store)) records.forEach(search)
  for (const generation of openHere()) {
    await breathe()
    search(generation)
  }
  return found
}

async function* runningAnywhere(store: Pick<Store, 'list'>): AsyncGenerator<readonly GenerationRecord[]> {
  let cursor: string | null = null
  do {
    const page: Awaited<ReturnType<Store['list']>> = await store.list({ status: 'running', limit: PAGE, ...(cursor && { cursor }) })
    yield page.records
    cursor = page.nextCursor
  } while (cursor !== null)
}
