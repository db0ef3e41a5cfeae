import { processEnvironment } from '../../src/config/environment.ts'
import { builtGateway } from '../support/built-gateway.ts'
import { dyingPorts, isStep } from './steps.ts'

/** The server, which ends itself as `kill -9` would at the step and for the marks named on its command line. */
const [, , step, ...marks] = process.argv
if (!isStep(step)) throw new Error(`no such step: ${String(step)}`)

const { startGateway } = await builtGateway()
await startGateway({
  env: processEnvironment(),
  overrides: {
    patience: { recoverMs: 3_000 },
    wrapPorts: (ports) => dyingPorts(ports, step, marks, () => void process.kill(process.pid, 'SIGKILL')),
  },
})
