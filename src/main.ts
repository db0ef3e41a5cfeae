import { receiveReloadSignals } from './gateway/signals.ts'

// Before the program is loaded, which takes longest: a signal nobody listens for ends the process.
const signals = receiveReloadSignals()
const [{ default: closeWithGrace }, { processEnvironment }, { startGateway, StartRefused }] = await Promise.all([
  import('close-with-grace'),
  import('./config/environment.ts'),
  import('./gateway/start.ts'),
])

const starting = startGateway({ env: processEnvironment() })
// One that is asked to end while it starts drains once it has started.
const closing = closeWithGrace({ delay: 30_000, skip: ['SIGHUP', 'SIGUSR2'] }, async ({ signal, err }) => {
  const gateway = await starting.catch(() => null)
  await gateway?.close(signal ?? err?.message)
})
try {
  const gateway = await starting
  signals.onHangUp(() => gateway.reload())
} catch (error) {
  closing.uninstall()
  if (!(error instanceof StartRefused)) throw error
  error.endProcess()
}
