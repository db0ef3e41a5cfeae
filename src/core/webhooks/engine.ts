import { ClaimLost } from '../ports.ts'
import type { Clock, DeliveriesUnderWay, Log, Store } from '../ports.ts'
import type { Instant, WebhookDeliveryRecord } from '../records.ts'
import { runningClock } from './running-clock.ts'
import { LONGEST_WAIT_MS } from './retry-schedule.ts'
import { createTryDelivery } from './try-delivery.ts'
import type { TryDelivery, TryDependencies } from './try-delivery.ts'

/** Longer than a try with everything around it, so that no two run at once. */
const CLAIM_MS = 60_000
const MOST_AT_ONCE = 128
const MOST_PER_ORIGIN = 8
/** A key that calls many slow receivers, or retries what it has sent, leaves the rest to others. */
const MOST_PER_KEY = 32
/** The disk is read at least this often while something is planned, should an alarm be lost to a broken disk. */
const LONGEST_SLEEP_MS = 60 * 60_000
/** What is planned is said to all; what was not heard, or was claimed by a process that is gone, is found by this. */
const LONGEST_SLEEP_BESIDE_OTHERS_MS = 15_000
const AFTER_DISK_FAILURE_MS = 5_000

/**
 * Sends every webhook, our own and those of the compatible APIs. What is planned is on disk; in memory is only what is under way, and one
 * alarm.
 */
export interface Notify {
  /** Reads which deliveries are due: called when some came on disk, and once at start. */
  wake(): void
  /** Plans a try now, whatever became of the tries before; null where there is no such delivery. One that is being tried is left at that. */
  retry(id: string): Promise<WebhookDeliveryRecord | null>
  /** Begins no more tries and waits for those under way. */
  stop(): Promise<void>
}

export interface NotifyDependencies extends TryDependencies {
  readonly store: Pick<Store, 'claimDeliveries' | 'planLateDeliveries' | 'commit' | 'delivery' | 'generation' | 'nodes'>
  readonly clock: Clock
  /** How long this process alone may try what it has claimed. */
  readonly claimMs?: number | undefined
}

export const createNotify = (deps: NotifyDependencies): Notify => new Engine(deps)

class Engine implements Notify {
  readonly #store: NotifyDependencies['store']
  readonly #clock: Clock
  readonly #log: Log
  readonly #now: () => Instant
  readonly #tryDelivery: TryDelivery
  readonly #claimMs: number
  readonly #underWay = new Map<string, UnderWay>()
  #claiming: Promise<void> | null = null
  #isWoken = false
  #hasBegun = false
  #isStopped = false
  #takeBackAlarm = () => {}

  constructor(deps: NotifyDependencies) {
    this.#store = deps.store
    this.#clock = deps.clock
    this.#log = deps.log
    this.#claimMs = deps.claimMs ?? CLAIM_MS
    this.#now = runningClock(deps.clock)
    this.#tryDelivery = createTryDelivery(deps, this.#now)
    deps.store.nodes?.onMessage(({ kind }) => {
      if (kind === 'planned' || kind === 'reconnected') this.wake()
    })
  }

  readonly wake = (): void => {
    this.#isWoken = true
    if (this.#isStopped || this.#claiming) return
    this.#claiming = this.#claim().finally(() => {
      this.#claiming = null
      if (this.#isWoken) this.wake()
    })
  }

  async retry(id: string): Promise<WebhookDeliveryRecord | null> {
    const delivery = await this.#store.delivery(id)
    if (!delivery || this.#underWay.has(id)) return delivery
    const { taken, ...rest } = delivery
    const planned: WebhookDeliveryRecord = {
      ...rest,
      // What was delivered is sent again from its first message on; what was not goes on with the one that failed.
      ...(delivery.status === 'delivered' || taken === undefined ? {} : { taken }),
      status: 'pending',
      failures: 0,
      nextTryAt: this.#now(),
      endedAt: null,
    }
    try {
      await this.#store.commit({ deliveryChange: { record: planned, by: { freeAt: planned.nextTryAt ?? 0 } } })
    } catch (error) {
      if (!(error instanceof ClaimLost)) throw error
      // Another process tries it at this moment.
      return this.#store.delivery(id)
    }
    this.wake()
    return planned
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#takeBackAlarm()
    await this.#claiming
    await Promise.all([...this.#underWay.values()].map(({ done }) => done))
  }

  async #claim(): Promise<void> {
    this.#isWoken = false
    this.#takeBackAlarm()
    const limit = MOST_AT_ONCE - this.#underWay.size
    // A try that ends wakes again.
    if (limit <= 0) return
    try {
      const now = this.#now()
      if (!this.#hasBegun) await this.#store.planLateDeliveries(now + LONGEST_WAIT_MS, now)
      this.#hasBegun = true
      const { records, nextAt } = await this.#store.claimDeliveries({
        now,
        leaseMs: this.#claimMs,
        limit,
        perOrigin: MOST_PER_ORIGIN,
        perKey: MOST_PER_KEY,
        underWay: countsOf([...this.#underWay.values()]),
      })
      if (this.#isStopped) return
      for (const delivery of records) this.#begin(delivery, now + this.#claimMs)
      const next = nextAt ?? (this.#store.nodes ? Infinity : null)
      if (next !== null && this.#underWay.size < MOST_AT_ONCE) this.#setAlarm(next - this.#now())
    } catch (error) {
      this.#log.error({ error: messageOf(error) }, 'planned webhooks could not be read')
      if (!this.#isStopped) this.#setAlarm(AFTER_DISK_FAILURE_MS)
    }
  }

  #setAlarm(afterMs: number): void {
    const longestMs = this.#store.nodes ? LONGEST_SLEEP_BESIDE_OTHERS_MS : LONGEST_SLEEP_MS
    this.#takeBackAlarm = this.#clock.after(Math.min(longestMs, Math.max(0, afterMs)), this.wake)
  }

  #begin(delivery: WebhookDeliveryRecord, claimedUntil: Instant): void {
    const running = this.#underWay.get(delivery.id)
    // The try took longer than its claim, and has the new one from here on.
    if (running) return void (running.claimedUntil = claimedUntil)
    const origin = URL.parse(delivery.url)?.origin ?? ''
    const underWay: UnderWay = { origin, key: delivery.key, claimedUntil, done: Promise.resolve() }
    underWay.done = this.#tryDelivery(delivery, () => underWay.claimedUntil)
      .catch((error: unknown) =>
        this.#log.error({ delivery: delivery.id, error: messageOf(error) }, 'a webhook could not be tried or recorded'),
      )
      .finally(() => {
        this.#underWay.delete(delivery.id)
        this.wake()
      })
    this.#underWay.set(delivery.id, underWay)
  }
}

/** A try that runs. */
interface UnderWay {
  readonly origin: string
  readonly key: string | null
  claimedUntil: Instant
  done: Promise<void>
}

function countsOf(underWay: readonly UnderWay[]): DeliveriesUnderWay {
  const count = (names: readonly (string | null)[]): ReadonlyMap<string, number> => {
    const counts = new Map<string, number>()
    for (const name of names) if (name !== null) counts.set(name, (counts.get(name) ?? 0) + 1)
    return counts
  }
  return { byOrigin: count(underWay.map(({ origin }) => origin)), byKey: count(underWay.map(({ key }) => key)) }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : 'unknown')
