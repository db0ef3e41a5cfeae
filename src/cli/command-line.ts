import { STATUS_CODES } from 'node:http'
import { Command, CommanderError } from 'commander'
import packageJson from '../../package.json' with { type: 'json' }
import { FAILURES, HTTP_PROBLEMS } from '#contract'
import type { Problem, ProblemCode } from '#contract'
import { ClientError } from '../client/client.ts'
import { backupVerb } from './backup.ts'
import { cancelVerb, getVerb } from './get.ts'
import { compareVerb } from './compare.ts'
import { completionVerb } from './completion.ts'
import { costsVerb } from './costs.ts'
import { demoVerb } from './demo.ts'
import { doctorVerb } from './doctor.ts'
import { nameEveryMistake } from './every-mistake.ts'
import { withExamples } from './examples.ts'
import { generateVerb } from './generate.ts'
import { keysVerb } from './keys.ts'
import { learnVerb } from './learn.ts'
import { listVerb } from './list.ts'
import { migrateVerb } from './migrate.ts'
import { modelsVerb } from './models.ts'
import { pricesVerb } from './prices.ts'
import { providersVerb } from './providers.ts'
import { quoteVerb } from './quote.ts'
import { restoreVerb } from './restore.ts'
import { reconcileVerb } from './reconcile.ts'
import { sandboxVerb } from './sandbox.ts'
import { schemaVerb } from './schema.ts'
import { serveVerb } from './serve.ts'
import { printable } from './table.ts'
import { reasonInWords } from './folder.ts'
import { Interrupted, NotUnderstood, STATUS_OF_SIGNAL, VerbFailed, type Terminal } from './terminal.ts'
import type { Verb } from './verb.ts'
import { verifyVerb } from './verify.ts'

const VERBS: readonly Verb[] = [
  serveVerb,
  generateVerb,
  quoteVerb,
  compareVerb,
  getVerb,
  listVerb,
  cancelVerb,
  costsVerb,
  reconcileVerb,
  keysVerb,
  modelsVerb,
  providersVerb,
  pricesVerb,
  doctorVerb,
  verifyVerb,
  learnVerb,
  backupVerb,
  restoreVerb,
  migrateVerb,
  sandboxVerb,
  demoVerb,
  completionVerb,
  schemaVerb,
]
const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_UNEXPECTED = 70

const EPILOGUE = `
Examples:
  imagegate demo
  imagegate generate "a lighthouse at dusk" --model flux-2-pro
  imagegate help generate

Exit status: 0 done · 1 not done · 2 not understood · 70 an error of imagegate itself · 130 Ctrl-C. docs/cli.md says more.`

/**
 * Runs one command line; resolves with the exit status and never rejects. What was wrong is a sentence on standard error, with `--json` a
 * problem document on standard output.
 */
export async function runCommandLine(args: readonly string[], terminal: Terminal): Promise<number> {
  let status = 0
  const isJson = args.includes('--json')
  const finish = async (work: Promise<number>) => {
    status = await work
  }
  const program = programOf(terminal, finish, isJson)
  try {
    const words = verbFirst(args)
    if (words.length === 0) program.help({ error: true })
    await program.parseAsync([...words], { from: 'user' })
    return status
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return 0
    const { problem, exit } = failureOf(error)
    if (isJson) terminal.out(JSON.stringify(problem, null, 2))
    else if (!(error instanceof CommanderError))
      terminal.err(`imagegate: ${printable(error instanceof ClientError ? messageOf(error) : problem.detail)}`)
    return exit
  }
}

/** The gateway's own words are for programs; a person at a terminal sends no header and no GET. */
const messageOf = ({ status, message }: ClientError): string =>
  status === 401
    ? `${message} Here: set IMAGEGATE_KEY, or give --key.`
    : message.replace('GET /v1/models lists', '`imagegate models` lists')

/** `--json` may stand before the verb too. */
function verbFirst([first, ...rest]: readonly string[]): readonly string[] {
  if (first === undefined) return []
  const [verb, ...options] = rest
  if (first !== '--json') return [first, ...rest]
  return verb === undefined ? [] : [verb, first, ...options]
}

function programOf(terminal: Terminal, finish: (work: Promise<number>) => Promise<void>, isJson: boolean): Command {
  const program = new Command('imagegate')
    .description('One image-generation API in front of many vendors.')
    .version(packageJson.version, '-V, --version', 'print the version')
    .addHelpText('after', EPILOGUE)
  for (const verb of VERBS) program.addCommand(nameEveryMistake(withExamples(verb(terminal, finish))))
  for (const command of [program, ...program.commands]) {
    command.exitOverride()
    command.showSuggestionAfterError()
    command.configureOutput({
      writeOut: (text) => terminal.out(text.trimEnd()),
      writeErr: (text) => (isJson ? undefined : terminal.err(text.trimEnd())),
    })
  }
  return program
}

interface CommandFailure {
  readonly problem: Problem
  readonly exit: number
}

/** Why a command was not done, as a problem document and an exit status. */
function failureOf(error: unknown): CommandFailure {
  if (error instanceof CommanderError) {
    const detail = error.message
      .replace(/^error: /, '')
      .replaceAll('\nerror: ', '; ')
      .replaceAll('\n', ' ')
    return { problem: problemOf('invalid_request', detail === '(outputHelp)' ? 'No verb was given.' : detail), exit: EXIT_USAGE }
  }
  if (error instanceof ClientError) return { problem: error.problem ?? problemOf('gateway_unavailable', error.message), exit: EXIT_FAILED }
  if (error instanceof VerbFailed)
    return { problem: problemOf(error.code, error.message), exit: error instanceof NotUnderstood ? EXIT_USAGE : EXIT_FAILED }
  if (error instanceof Interrupted) return { problem: problemOf('canceled', error.message), exit: STATUS_OF_SIGNAL[error.signal] }
  const { code, path, message } =
    error instanceof Error ? (error as NodeJS.ErrnoException) : (new Error(String(error)) as NodeJS.ErrnoException)
  if (code !== undefined && path !== undefined)
    return { problem: problemOf('internal', `${path}: ${reasonInWords(error)}`), exit: EXIT_FAILED }
  return {
    problem: problemOf('internal', `an error that nobody foresaw: ${message}. Please report it with what you ran.`),
    exit: EXIT_UNEXPECTED,
  }
}

/** As a gateway writes them; `type` is the page of that code at any gateway. */
function problemOf(code: ProblemCode, detail: string): Problem {
  const { http: status } = { ...FAILURES, ...HTTP_PROBLEMS }[code]
  return { type: `/problems/${code}`, title: STATUS_CODES[status] ?? 'Error', status, detail, code }
}
