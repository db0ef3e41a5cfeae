import type { WebhookDeliveryRecord } from '../records.ts'
import { judgeTry } from './retry-schedule.ts'
import type { Clock, Log, Post, Posted, Store } from '../ports.ts'
import { viewOf } from '../present/generation.ts'
import { signedHeaders } from './signature.ts'

const TRY_TIMEOUT_MS = 15_000
/** Longer than a try with everything around it, so that no two run at once. */
const LEASE_MS = 60_000
const MOST_AT_ONCE = 128
const MOST_PER_ORIGIN = 8
/** A look at the disk at least this often while something is planned, should an alarm be lost to a broken disk. */
const LONGEST_SLEEP_MS = 60 * 60_000
const AFTER_DISK_FAILURE_MS = 5_000

/** Tells receivers how generations ended. What is planned is on disk; here is only what is under way, and one alarm. */
export interface Notify {
  /** Looks for deliveries that are due: called when some came on disk, and once at start. */
  wake(): void
  /** Plans a try now, whatever became of the tries before; null where there is no such delivery. One that is being tried is left at that. */
  retry(id: string): Promise<WebhookDeliveryRecord | null>
  /** Begins no more tries and waits for those under way. */
  stop(): Promise<void>
}

export interface NotifyDependencies {
  readonly store: Pick<Store, 'claimDeliveries' | 'commit' | 'delivery' | 'generation'>
  readonly clock: Clock
  readonly post: Post
  /** `whsec_…`, all that are live; read at each try. */
  readonly secrets: () => readonly string[]
  readonly publicUrl: () => string
  /** A number in 0…1, for jitter. */
  readonly random: () => number
  /** Waits between tries. */
  readonly delaysMs: readonly number[]
  readonly log: Log
}

export function createNotify(deps: NotifyDependencies): Notify {
  const { store, clock, log } = deps
  const underWay = new Map<string, { readonly origin: string; readonly done: Promise<void> }>()
  let claiming: Promise<void> | null = null
  let isWoken = false
  let isStopped = false
  let takeBackAlarm = () => {}

  function wake(): void {
    isWoken = true
    if (isStopped || claiming) return
    claiming = claim().finally(() => {
      claiming = null
      if (isWoken) wake()
    })
  }

  async function claim(): Promise<void> {
    isWoken = false
    takeBackAlarm()
    const limit = MOST_AT_ONCE - underWay.size
    // A try that ends wakes again.
    if (limit <= 0) return
    const now = clock.now()
    try {
      const { records, nextAt } = await store.claimDeliveries({
        now,
        leaseMs: LEASE_MS,
        limit,
        perOrigin: MOST_PER_ORIGIN,
        underWay: countByOrigin(),
      })
      if (isStopped) return
      for (const delivery of records) begin(delivery)
      if (nextAt !== null && underWay.size < MOST_AT_ONCE) setAlarm(nextAt - clock.now())
    } catch (error) {
      log.error({ error: messageOf(error) }, 'planned webhooks could not be read')
      if (!isStopped) setAlarm(AFTER_DISK_FAILURE_MS)
    }
  }

  function setAlarm(afterMs: number): void {
    takeBackAlarm = clock.after(Math.min(LONGEST_SLEEP_MS, Math.max(0, afterMs)), wake)
  }

  function countByOrigin(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { origin } of underWay.values()) counts.set(origin, (counts.get(origin) ?? 0) + 1)
    return counts
  }

  function begin(delivery: WebhookDeliveryRecord): void {
    if (underWay.has(delivery.id)) return
    const done = deliver(delivery)
      .catch((error: unknown) => log.error({ delivery: delivery.id, error: messageOf(error) }, 'a webhook could not be tried or recorded'))
      .finally(() => {
        underWay.delete(delivery.id)
        wake()
      })
    underWay.set(delivery.id, { origin: URL.parse(delivery.url)?.origin ?? '', done })
  }

  async function deliver(delivery: WebhookDeliveryRecord): Promise<void> {
    const posted = await tell(delivery)
    const after = judgeTry(delivery, posted, { now: clock.now(), delaysMs: deps.delaysMs, random: deps.random })
    if (after.status === 'failed') {
      const { generationId: generation, tries, lastTry } = after
      log.warn(
        { delivery: after.id, generation, host: URL.parse(after.url)?.host, tries, reason: lastTry?.reason },
        'a webhook is given up',
      )
    }
    await store.commit({ deliveries: [after] })
  }

  async function tell({ id, url, type, createdAt, generationId }: WebhookDeliveryRecord): Promise<Posted> {
    const generation = await store.generation(generationId)
    if (!generation) return { kind: 'refused', reason: 'the generation is not kept any more' }
    const timestamp = new Date(createdAt).toISOString()
    const body = JSON.stringify({ type, timestamp, data: viewOf(generation, deps.publicUrl()) })
    const headers = signedHeaders(deps.secrets(), id, Math.floor(clock.now() / 1000), body)
    return deps.post(url, { body, headers, timeoutMs: TRY_TIMEOUT_MS })
  }

  return {
    wake,
    async retry(id) {
      const delivery = await store.delivery(id)
      if (!delivery || underWay.has(id)) return delivery
      const planned: WebhookDeliveryRecord = { ...delivery, status: 'pending', failures: 0, nextTryAt: clock.now(), endedAt: null }
      await store.commit({ deliveries: [planned] })
      wake()
      return planned
    },
    async stop() {
      isStopped = true
      takeBackAlarm()
      await claiming
      await Promise.all([...underWay.values()].map(({ done }) => done))
    },
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'unknown')
