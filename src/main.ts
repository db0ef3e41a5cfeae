import closeWithGrace from 'close-with-grace'
import { processEnvironment } from './config/environment.ts'
import { StartRefused, startGateway } from './gateway/start.ts'

try {
  const gateway = await startGateway({ env: processEnvironment() })
  closeWithGrace({ delay: 30_000 }, async () => gateway.close())
} catch (error) {
  if (!(error instanceof StartRefused)) throw error
  process.stderr.write(`imagegate cannot start:\n${error.message}\n`)
  process.exitCode = 1
}
