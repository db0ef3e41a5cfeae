import type { ProblemCode } from '#contract'
import { processEnvironment, type Environment } from '../config/environment.ts'
import { UNPRINTABLE } from './table.ts'
import { textWithin } from './text-within.ts'

/** The world a verb talks to, as an argument, so that tests can be that world. */
export interface Terminal {
  /** One line or block to standard output: results. */
  readonly out: (text: string) => void
  /** One line or block to standard error: progress, notes, problems. */
  readonly err: (text: string) => void
  /** Unterminated text to standard error, for lines that are drawn again. */
  readonly draw: (text: string) => void
  /** A person watches standard error. */
  readonly isInteractive: boolean
  readonly columns: number
  readonly env: Environment
  /** Everything on standard input. */
  readonly input: () => Promise<string>
  /** Resolves with the signal when the program is asked to end: Ctrl-C sends SIGINT. A second signal ends the process at once. */
  readonly stopped: () => Promise<EndSignal>
}

export type EndSignal = 'SIGINT' | 'SIGTERM'

/** The exit status that shells give to a program that a signal ended. */
export const STATUS_OF_SIGNAL: Readonly<Record<EndSignal, number>> = { SIGINT: 130, SIGTERM: 143 }

const DEFAULT_COLUMNS = 120

/** Of a verb that did its work, and could not say so. */
const UNWRITTEN = 1

/**
 * Whoever read the output may have read enough, as `head` does; its disk may be full. The verb goes on to its end, so that what it buys is
 * saved, and says once what is missing.
 */
function outliveReaders(): void {
  let isKnown = false
  process.stderr.on('error', () => {})
  process.stdout.on('error', ({ code, message }: NodeJS.ErrnoException) => {
    if (code === 'EPIPE' || isKnown) return
    isKnown = true
    process.stderr.write(`imagegate: the output cannot be written: ${message}. What was done is done; \`imagegate list\` shows it.\n`)
    process.once('exit', (status) => (process.exitCode = status === 0 ? UNWRITTEN : status))
  })
}

/**
 * Control characters of a vendor's or caller's text would move the cursor, hide lines or ask the terminal for something. Written as JSON writes
 * them, so that JSON stays what it says.
 */
const visible = (text: string): string => text.replaceAll(UNPRINTABLE, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`)

/** Far more than a prompt is long. */
const MOST_INPUT_MEGABYTES = 1

async function boundedInput(): Promise<string> {
  const text = await textWithin(process.stdin, MOST_INPUT_MEGABYTES)
  if (text === null) throw new VerbFailed(`what came by standard input is larger than ${MOST_INPUT_MEGABYTES} MB, and a prompt is not`)
  return text
}

export function processTerminal(): Terminal {
  outliveReaders()
  return {
    out: (text) => void process.stdout.write(`${visible(text)}\n`),
    err: (text) => void process.stderr.write(`${visible(text)}\n`),
    draw: (text) => void process.stderr.write(text),
    isInteractive: process.stderr.isTTY,
    // Some pseudo-terminals say 0. Progress is drawn on standard error, also where the results go elsewhere.
    columns: process.stdout.columns || process.stderr.columns || DEFAULT_COLUMNS,
    env: processEnvironment(),
    input: boundedInput,
    stopped: () =>
      new Promise((resolve) => {
        for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal))
      }),
  }
}

/** A verb could not do its work; the message says why and what to do, and `code` what kind it is. Its exit status is 1. */
export class VerbFailed extends Error {
  readonly code: ProblemCode
  constructor(message: string, code: ProblemCode = 'invalid_request') {
    super(message)
    this.code = code
  }
}

/** What was written is no command line of the verb: two options that exclude one another, a form that is not taken. Its exit status is 2. */
export class NotUnderstood extends VerbFailed {}

/** A signal ended a verb that had nothing to show yet. */
export class Interrupted extends Error {
  readonly signal: EndSignal
  constructor(signal: EndSignal) {
    super(`ended by ${signal === 'SIGINT' ? 'Ctrl-C' : signal}`)
    this.signal = signal
  }
}
