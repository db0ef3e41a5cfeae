import { receiveReloadSignals } from '../gateway/signals.ts'

// Before the program is loaded, which takes longest: a signal nobody listens for ends the process.
if (process.argv[2] === 'serve') receiveReloadSignals()
const [{ runCommandLine }, { processTerminal }] = await Promise.all([import('./command-line.ts'), import('./terminal.ts')])

process.exitCode = await runCommandLine(process.argv.slice(2), processTerminal())
