import type { NodeMessage, Nodes } from '../nodes.ts'
import type { GenerationRecord } from '../records.ts'
import { cancel } from './cancel.ts'
import type { Driver } from './driver.ts'
import type { Core } from './open-generation.ts'
import { claimOpen, rememberDurations } from './resume.ts'
import type { Waiting } from './wait.ts'

/** How often it is asked for generations that nobody works on. */
const CLAIM_EVERY_MS = 500
/** How long a caller waits for the process that works on what is to be canceled. */
const CANCEL_MS = 5_000

export interface FollowedNodes {
  readonly core: Core
  readonly driver: Driver
  readonly nodes: Nodes
  readonly callback: (provider: string, generationId: string, attemptId: string) => void
}

/** Hears what other processes say, for as long as this one runs. */
export function hearNodes({ core, driver, nodes, callback }: FollowedNodes): void {
  const { open, watchers } = core
  /** Only who waits here for what is worked on elsewhere needs to hear of it. */
  const show = async (generationId: string): Promise<void> => {
    if (open.has(generationId) || !watchers.isWatched(generationId)) return
    const record = await core.ports.store.generation(generationId).catch(() => null)
    if (record !== null && !open.has(generationId)) watchers.notify(record)
  }
  const hear = (message: NodeMessage): void => {
    switch (message.kind) {
      case 'changed':
        return void show(message.generationId)
      case 'cancel':
        return void cancel(core, driver, message.generationId)
      case 'callback':
        return callback(message.provider, message.generationId, message.attemptId)
      case 'freed':
        return core.slots.serve(message.provider)
      case 'lost':
        return message.generationIds.forEach((id) => {
          const lost = open.get(id)
          if (lost) driver.abandon(lost)
        })
      case 'reconnected':
        // What took how long was said meanwhile, too.
        void rememberDurations(core).catch(() => {})
        return watchers.watched().forEach((id) => void show(id))
      case 'keys':
      case 'planned':
      case 'breaker':
      case 'news':
    }
  }
  nodes.onMessage(hear)
}

/** Takes over, again and again, what other processes have left. */
export function keepClaiming(core: Core, driver: Driver): void {
  const claim = async (): Promise<void> => {
    // Where the database is away, everybody who asks it for something says so.
    const count = await claimOpen(core, driver).catch(() => 0)
    if (count > 0) core.ports.log.info({ generations: count }, 'open generations of another process continue here')
    keepClaiming(core, driver)
  }
  core.schedule(CLAIM_EVERY_MS, () => void claim())
}

/** Asks the process that works on it; the answer is the generation as it is once that process has canceled it. Null where it has ended. */
export async function cancelElsewhere(core: Core, waiting: Waiting, id: string): Promise<GenerationRecord | null> {
  const { nodes } = core.ports.store
  if (nodes === undefined || core.open.has(id)) return null
  const waited = waiting.wait(id, CANCEL_MS)
  await nodes.askCancel(id)
  return waited
}
