import type { Latency } from '#contract'
import { createCallbackTrust, isWorthPolling } from '../scheduling/callbacks.ts'
import { createCallbacksElsewhere } from '../scheduling/callbacks-elsewhere.ts'
import { createPollSchedule } from '../scheduling/poll-schedule.ts'
import { shareDurations } from '../scheduling/shared-durations.ts'
import type { SlotState } from '../scheduling/provider-slots.ts'
import { createTurnShare } from '../scheduling/turn-share.ts'
import { StoreError } from '../ports.ts'
import type { IdempotencyEntry, Ports } from '../ports.ts'
import type { AttemptCallsRecord, GenerationRecord } from '../records.ts'
import { callsOf } from './attempt-calls.ts'
import { begin } from './begin.ts'
import { cancel } from './cancel.ts'
import { createDriver } from './driver.ts'
import { cancelElsewhere, hearNodes, keepClaiming } from './follow-nodes.ts'
import type { Driver } from './driver.ts'
import { PATIENCE, trackOf } from './open-generation.ts'
import type { Core, Patience } from './open-generation.ts'
import { OpenGenerations } from './open-generations.ts'
import { resumeAll } from './resume.ts'
import { createScheduling } from './scheduling.ts'
import { createWaiting } from './wait.ts'
import { createWatchers } from './watchers.ts'
import type { PartialView } from './watchers.ts'

/** Generations being worked on; how each comes along is in `lifecycle.ts`. */
export interface Run {
  /**
   * Puts a new generation on disk and begins it. Rejects, and buys nothing, where the disk, the budget or the idempotency entry refuses.
   * @param mostOfKey how many generations of its key may be open at all processes together; null: no limit
   * @throws TooManyOpen
   */
  accept(record: GenerationRecord, idempotency: IdempotencyEntry | null, mostOfKey?: number | null): Promise<void>
  /** Continues every open generation from its last recorded call. Returns how many. */
  resume(): Promise<number>
  /** Stops polling and fallback. The answer is the generation as it then is; null where it is not open. */
  cancel(id: string): Promise<GenerationRecord | null>
  /** The generation once it has ended or `timeoutMs` is over, as it is on disk; null where there is none. */
  /** What was said so far in an attempt that is open here; `number` counts from 1. Null where this process knows nothing of it. */
  calls(id: string, number: number): AttemptCallsRecord | null
  wait(id: string, timeoutMs: number): Promise<GenerationRecord | null>
  /** A provider says that an attempt has news, and proved that it is the one who was asked: polls early. */
  callback(provider: string, generationId: string, attemptId: string): void
  watch(id: string, listener: (record: GenerationRecord) => void): () => void
  /** Images on their way, where the vendor shows them. */
  watchPartials(id: string, listener: (partial: PartialView) => void): () => void
  /** The configuration changed: limits act at once, and tasks that wait at a provider ask again whether they may. */
  settingsChanged(): void
  /** For a stop of the server: nothing more is bought or polled, and those who wait are answered. Replies under way are still recorded. */
  stop(): void
  /** Resolves to true once no step is under way, with everything that followed from it on disk; to false when `timeoutMs` is over. */
  idle(timeoutMs: number): Promise<boolean>
  latency(provider: string, model: string): Latency | null
  slotState(provider: string): SlotState
  inFlight(provider: string): number
  waiting(provider: string): number
  readonly openCount: number
  /** Those that this process works on, canceled ones whose tasks have not ended among them. */
  openRecords(): readonly GenerationRecord[]
  /** How many of a gateway key are open in this process; null: of those without one. */
  openOf(key: string | null): number
}

export function createRun(ports: Ports, patience: Patience = PATIENCE): Run {
  const open = new OpenGenerations()
  const scheduling = createScheduling(ports, (pausedMs) => afterPause(core, pausedMs))
  const { slots } = scheduling
  const remembered = createPollSchedule()
  const core: Core = {
    ports,
    patience,
    open,
    tracks: new Map(),
    slots,
    turns: createTurnShare(ports.clock),
    schedule: scheduling.schedule,
    pollSchedule: shareDurations(remembered, ports),
    remembered,
    watchers: createWatchers(),
    drop: (generation) => driver.abandon(generation),
    trust: createCallbackTrust((provider) => warnOfSilence(ports, provider)),
  }
  const driver = createDriver(core, scheduling)
  const waiting = createWaiting(core)
  const { nodes } = ports.store
  const callbackHere = (...asked: Parameters<Run['callback']>): void => callback(core, driver, ...asked)
  const elsewhere = nodes && createCallbacksElsewhere((message) => nodes.say(message))
  if (nodes) hearNodes({ core, driver, nodes, callback: callbackHere })
  return {
    accept: (record, idempotency, mostOfKey = null) => begin(core, driver, record, { idempotency, mostOfKey }),
    resume: () => resume(core, driver),
    cancel: async (id) => (await cancel(core, driver, id)) ?? cancelElsewhere(core, waiting, id),
    calls: (id, number) => callsInMemory(core, id, number),
    wait: waiting.wait,
    callback(provider, generationId, attemptId) {
      if (elsewhere && !open.has(generationId)) elsewhere({ kind: 'callback', provider, generationId, attemptId })
      else callbackHere(provider, generationId, attemptId)
    },
    watch: (id, listener) => core.watchers.watch(id, listener),
    watchPartials: (id, listener) => core.watchers.watchPartials(id, listener),
    settingsChanged: () => slots.recheck(),
    stop() {
      driver.stop()
      scheduling.stop()
      waiting.dismissAll()
    },
    idle: (timeoutMs) => driver.idle(timeoutMs),
    latency: (provider, model) => core.pollSchedule.latency(provider, model),
    slotState: (provider) => slots.state(provider),
    inFlight: (provider) => slots.state(provider).inFlight,
    waiting: (provider) => slots.state(provider).waiting,
    get openCount() {
      return open.size
    },
    openRecords: () => [...open.values()].map(({ record }) => record),
    openOf: (key) => open.ofKey(key),
  }
}

async function resume(core: Core, driver: Driver): Promise<number> {
  if (!core.ports.store.nodes) return resumeAll(core, driver)
  // A database that went away a moment ago is asked again, as at any other time.
  const count = await resumeAll(core, driver).catch((error: unknown) => {
    if (error instanceof StoreError && error.reason === 'unreachable') return 0
    throw error
  })
  keepClaiming(core, driver)
  return count
}

function warnOfSilence({ log }: Ports, provider: string): void {
  log.warn({ provider }, 'the provider’s callbacks do not arrive, so it is polled as usual; can it reach server.public_url?')
}

/** A callback for an attempt that has ended, or that nobody knows, does nothing. */
function callback(core: Core, driver: Driver, provider: string, generationId: string, attemptId: string): void {
  core.trust.arrived(provider)
  const open = core.open.get(generationId)
  const attempt = open?.record.attempts.find(({ id }) => id === attemptId)
  if (!open || !attempt || (attempt.status !== 'submitting' && attempt.status !== 'pending')) return
  if (isWorthPolling(trackOf(core, open, attempt), attempt.images, driver.isRunning(attempt))) void driver.advanceNow(open, attempt)
}

function callsInMemory(core: Core, id: string, number: number): AttemptCallsRecord | null {
  const open = core.open.get(id)
  const attempt = open?.record.attempts[number - 1]
  return open && attempt ? callsOf(core, open, attempt) : null
}

/** The process was suspended, or its event loop stood: time that nobody could use does not count against anybody. */
function afterPause(core: Core, pausedMs: number): void {
  core.ports.log.warn({ paused_ms: Math.round(pausedMs), generations: core.open.size }, 'the process was paused; open generations continue')
  for (const open of core.open.values()) {
    open.sinceMs += pausedMs
    for (const attempt of open.record.attempts) {
      const track = attempt.endedAt === null ? core.tracks.get(attempt) : undefined
      if (!track) continue
      track.deadlineAtMs += pausedMs
      track.answeredPolls = 0
      attempt.interrupted = true
      // Fetches that were cut off are no word about the links.
      if (track.collecting === null) continue
      track.collecting.passes = 0
      track.sinceMs = core.ports.clock.monotonicMs()
    }
  }
}
