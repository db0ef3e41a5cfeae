// `npm start`: the server, the built one where it was built from these sources.
import { pathToFileURL } from 'node:url'
import { programFile } from './program.mjs'

// Node.js ends a process at a signal that nobody listens for. One that comes before the program is loaded needs no answer: the configuration is
// read later.
for (const signal of ['SIGHUP', 'SIGUSR2']) process.on(signal, () => {})
await import(pathToFileURL(programFile('src/main')).href)
