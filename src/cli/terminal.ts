import { text } from 'node:stream/consumers'
import { processEnvironment, type Environment } from '../config/environment.ts'

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
  /** Resolves when the program is asked to end (Ctrl-C, SIGTERM). */
  readonly stopped: () => Promise<void>
}

const DEFAULT_COLUMNS = 120

export const processTerminal = (): Terminal => ({
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  draw: (text) => void process.stderr.write(text),
  isInteractive: process.stderr.isTTY,
  // Some pseudo-terminals say 0.
  columns: process.stdout.columns || DEFAULT_COLUMNS,
  env: processEnvironment(),
  input: () => text(process.stdin),
  stopped: () =>
    new Promise((resolve) => {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve())
    }),
})

/** A verb could not do its work; the message says why and what to do. Its exit status is 1. */
export class VerbFailed extends Error {}
