import { receiveReloadSignals } from '../gateway/signals.ts'

// Before the program is loaded, which takes longest: a signal nobody listens for ends the process.
if (process.argv[2] === 'serve') receiveReloadSignals()
const [{ runCommandLine }, { processTerminal, STATUS_OF_SIGNAL }] = await Promise.all([
  import('./command-line.ts'),
  import('./terminal.ts'),
])

const status = await runCommandLine(process.argv.slice(2), processTerminal())
process.exitCode = status
// What a signal ended still waits for a gateway; everything written before goes out first.
if (Object.values(STATUS_OF_SIGNAL).includes(status)) process.stdout.write('', () => process.exit(status))
