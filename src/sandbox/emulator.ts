/** How an emulator is started. Times are real time, so it behaves over HTTP as a vendor does. */
export interface SandboxOptions {
  /** 0 takes a free port. Always loopback. */
  readonly port?: number
  /** The middle of how long a task takes; single tasks spread from half to twice of it. */
  readonly typicalMs?: number
}

/** A running emulator. `submits` counts accepted (paid) tasks by our task or the vendor's task id, for tests that count purchases. */
export interface Sandbox {
  readonly url: string
  readonly submits: () => number
  readonly close: () => Promise<void>
}

/** Every `providers/<id>/emulator.ts` exports this as `startEmulator`. */
export type StartEmulator = (options?: SandboxOptions) => Promise<Sandbox>

/** The key every emulator accepts; it refuses any other as its vendor would. */
export const SANDBOX_KEY = 'sandbox-key'

/** A task's duration: `typicalMs` times 0.5 to 2, spread like real queues (most near the middle), from a number in 0…1. */
export const taskDurationMs = (typicalMs: number, roll: number): number => Math.round(typicalMs * 2 ** (2 * roll - 1))
