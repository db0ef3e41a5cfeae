import { Command, CommanderError } from 'commander'
import { ClientError } from '../client/client.ts'
import { backupVerb } from './backup.ts'
import { compareVerb } from './compare.ts'
import { costsVerb } from './costs.ts'
import { demoVerb } from './demo.ts'
import { doctorVerb } from './doctor.ts'
import { generateVerb } from './generate.ts'
import { keysVerb } from './keys.ts'
import { modelsVerb } from './models.ts'
import { providersVerb } from './providers.ts'
import { quoteVerb } from './quote.ts'
import { restoreVerb } from './restore.ts'
import { reconcileVerb } from './reconcile.ts'
import { sandboxVerb } from './sandbox.ts'
import { schemaVerb } from './schema.ts'
import { serveVerb } from './serve.ts'
import { VerbFailed, type Terminal } from './terminal.ts'
import type { Verb } from './verb.ts'

const VERBS: readonly Verb[] = [
  serveVerb,
  generateVerb,
  quoteVerb,
  compareVerb,
  costsVerb,
  reconcileVerb,
  keysVerb,
  modelsVerb,
  providersVerb,
  doctorVerb,
  backupVerb,
  restoreVerb,
  sandboxVerb,
  demoVerb,
  schemaVerb,
]
const EXIT_FAILED = 1
const EXIT_USAGE = 2

/** Runs one command line; resolves with the exit status (0 done, 1 not done, 2 not understood) and never rejects for a caller's mistake. */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  let status = 0
  const program = new Command('imagegate').description('One image-generation API in front of many vendors.')
  const finish = async (work: Promise<number>) => {
    status = await work
  }
  for (const verb of VERBS) program.addCommand(verb(terminal, finish))
  for (const command of [program, ...program.commands]) {
    command.exitOverride()
    command.showSuggestionAfterError()
    command.configureOutput({ writeOut: (text) => terminal.out(text.trimEnd()), writeErr: (text) => terminal.err(text.trimEnd()) })
  }
  try {
    await program.parseAsync([...args], { from: 'user' })
    return status
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_USAGE
    // Any other error is a fault of the program and keeps its stack.
    if (!(error instanceof VerbFailed || error instanceof ClientError)) throw error
    terminal.err(`imagegate: ${error.message}`)
    return EXIT_FAILED
  }
}
