import type { StartEmulator } from '#sandbox'

/** The emulator of a provider as its own process, to be killed: its first line is its address. Imports little, to start at once. */
const [, , provider = '', directory = '', typicalMs = '0'] = process.argv
const { startEmulator } = (await import(`../../providers/${provider}/emulator.ts`)) as { readonly startEmulator: StartEmulator }
const sandbox = await startEmulator({ directory, typicalMs: Number(typicalMs) })
process.stdout.write(`${sandbox.url}\n`)
