import closeWithGrace from 'close-with-grace'
import { processEnvironment } from './config/environment.ts'
import { receiveReloadSignals } from './gateway/signals.ts'

// Before the program is loaded, which takes longest: a signal nobody listens for ends the process.
const signals = receiveReloadSignals()
const { startGateway, StartRefused } = await import('./gateway/start.ts')

try {
  const gateway = await startGateway({ env: processEnvironment() })
  closeWithGrace({ delay: 30_000, skip: ['SIGHUP', 'SIGUSR2'] }, () => gateway.close())
  signals.onHangUp(() => gateway.reload())
} catch (error) {
  if (!(error instanceof StartRefused)) throw error
  process.stderr.write(`imagegate cannot start:\n${error.message}\n`)
  process.exitCode = 1
}
