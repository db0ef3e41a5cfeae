import type { Story } from './stories.ts'

/** How an emulator is started. Times are real time, so it behaves over HTTP as a vendor does. */
export interface SandboxOptions {
  /** 0 takes a free port, or the one of the last start where `directory` is given and the port is free. Always loopback. */
  readonly port?: number
  /** The middle of how long a task takes; single tasks spread from half to twice of it. */
  readonly typicalMs?: number
  /** Where tasks are kept, so that a killed emulator goes on. Without it they live in memory. */
  readonly directory?: string
}

/** A running emulator. */
export interface Sandbox {
  readonly url: string
  /** How many tasks were accepted, hence paid, earlier starts in the same directory included. For tests that count purchases. */
  readonly submits: () => number
  /** The most tasks that were unfinished at once. For tests that count against a limit. */
  readonly mostUnfinished: () => number
  /** Stories for which this vendor's wire has no words: they end as plain success. */
  readonly unplayed: readonly Story[]
  readonly close: () => Promise<void>
}

/** Every `providers/<id>/emulator.ts` exports this as `startEmulator`. */
export type StartEmulator = (options?: SandboxOptions) => Promise<Sandbox>

/** The key every emulator accepts; it refuses any other as its vendor would. */
export const SANDBOX_KEY = 'sandbox-key'

/** A task's duration: `typicalMs` times 0.5 to 2, spread like real queues (most near the middle), from a number in 0…1. */
export const taskDurationMs = (typicalMs: number, roll: number): number => Math.round(typicalMs * 2 ** (2 * roll - 1))
