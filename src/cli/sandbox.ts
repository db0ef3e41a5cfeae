import { Command } from 'commander'
import { SANDBOX_KEY } from '#sandbox'
import { loadCatalogue } from '../catalogue/catalogue.ts'
import { startEmulators } from '../gateway/emulators.ts'
import type { Verb } from './verb.ts'
import { wholeNumber } from './options.ts'
import { table } from './table.ts'

interface SandboxVerbOptions {
  readonly typicalMs: number
  readonly json?: boolean
}

const DEFAULT_TYPICAL_MS = 2_000

export const sandboxVerb: Verb = (terminal, finish) =>
  new Command('sandbox')
    .description('run the vendor emulators alone, for other programs to talk to, until Ctrl-C or SIGTERM')
    .option('--typical-ms <ms>', 'how long a task typically takes', wholeNumber, DEFAULT_TYPICAL_MS)
    .option('--json', 'print JSON')
    .action(({ typicalMs, json }: SandboxVerbOptions) =>
      finish(
        (async () => {
          const emulators = await startEmulators(await loadCatalogue(), { typicalMs })
          const urls = [...emulators.urls]
          if (json) terminal.out(JSON.stringify({ key: SANDBOX_KEY, providers: Object.fromEntries(urls) }))
          else {
            terminal.out(table(['provider', 'address'], urls))
            terminal.out(`\nTheir key is ${SANDBOX_KEY}. Ctrl-C stops them.`)
          }
          await terminal.stopped()
          await emulators.close()
          return 0
        })(),
      ),
    )
