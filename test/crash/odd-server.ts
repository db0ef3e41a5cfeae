import { existsSync, readFileSync } from 'node:fs'

/**
 * A gateway on an odd machine. The file named in `ODD_MACHINE` says how odd it is at the moment, as JSON: `clockMs` is how far its wall clock
 * is off, `refusesWrites` whether its disk takes no more database writes, `deadlineMs` (read once) replaces the providers' deadline.
 */
interface Oddness {
  readonly clockMs?: number
  readonly refusesWrites?: boolean
  readonly deadlineMs?: number
}

const file = process.env['ODD_MACHINE'] ?? ''
let now: Oddness = {}
function readOddness(): void {
  if (!existsSync(file)) return
  try {
    now = JSON.parse(readFileSync(file, 'utf8')) as Oddness
  } catch {
    // It is being written.
  }
}
readOddness()
setInterval(readOddness, 10).unref()

const RealDate = Date
globalThis.Date = class extends RealDate {
  constructor(...values: readonly unknown[]) {
    super(...((values.length === 0 ? [RealDate.now() + (now.clockMs ?? 0)] : values) as [number]))
  }
  static override now(): number {
    return RealDate.now() + (now.clockMs ?? 0)
  }
} as DateConstructor

// The gateway is loaded only now, so that it never sees the real clock.
const { processEnvironment } = await import('../../src/config/environment.ts')
const { startGateway } = await (await import('../support/built-gateway.ts')).builtGateway()
const server = await startGateway({
  env: processEnvironment(),
  overrides: {
    ...(now.deadlineMs === undefined ? {} : { deadlineMs: now.deadlineMs }),
    patience: { recoverMs: 3_000, linkMs: 20_000, longestLinkMs: 20_000, deadLinkMs: 3_000 },
    wrapPorts: (ports) => ({
      ...ports,
      store: {
        ...ports.store,
        commit: (unit) => (now.refusesWrites ? Promise.reject(new Error('the disk refuses (ENOSPC)')) : ports.store.commit(unit)),
      },
    }),
  },
})
process.on('SIGTERM', () => void server.close().then(() => process.exit(0)))
process.on('SIGHUP', () => void server.reload())
