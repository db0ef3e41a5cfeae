import type { Command } from 'commander'
import type { Terminal } from './terminal.ts'

/** One verb: its options and its work. `finish` takes the exit status of the work: 0 done, 1 not done. */
export type Verb = (terminal: Terminal, finish: (work: Promise<number>) => Promise<void>) => Command
