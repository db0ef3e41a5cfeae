import { receiveReloadSignals } from '../../src/gateway/signals.ts'
import type { StartOptions } from '../../src/gateway/start.ts'
import { builtGateway } from './built-gateway.ts'

/**
 * The program of a gateway, as `bin/gateway.mjs` is, for tests that name what no environment variable does: `START_OVERRIDES` holds the overrides of
 * its start as JSON, among them which providers are installed and how quick the emulated ones are.
 */
const signals = receiveReloadSignals()
const { processEnvironment } = await import('../../src/config/environment.ts')
const { startGateway, StartRefused } = await builtGateway()

const { START_OVERRIDES: overrides = '{}', ...env } = processEnvironment()
try {
  const gateway = await startGateway({ env, overrides: JSON.parse(overrides) as NonNullable<StartOptions['overrides']> })
  signals.onHangUp(() => gateway.reload())
  process.once('SIGTERM', () => void gateway.close('SIGTERM').then(() => process.exit(0)))
} catch (error) {
  if (!(error instanceof StartRefused)) throw error
  process.stderr.write(`imagegate cannot start:\n${error.message}\n`)
  process.exitCode = 1
}
