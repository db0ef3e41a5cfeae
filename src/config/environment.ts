import { readNamedText } from './named-file.ts'
import { inEnvironment, type ConfigProblem } from './problem.ts'
import { stateOf } from './watch-files.ts'

/** Names to values, as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The process's own environment; nothing else in the program reads it. */
export const processEnvironment = (): Environment => process.env

/** Reads variables; each may instead be given as `<NAME>_FILE`, the path of a file that holds the value (container secrets). */
export interface Variables {
  /** The value, or null where it is unset or empty. */
  read(name: string): string | null
  /** What went wrong while reading, once per variable. */
  problems(): readonly ConfigProblem[]
  /** The `<NAME>_FILE` paths of the variables that were asked for, whether they could be read or not, each with its state just before it was. */
  files(): ReadonlyMap<string, string>
}

/** Far more than a key or an address is long. */
const MOST_MEGABYTES = 1

export function variablesOf(environment: Environment): Variables {
  const problems = new Map<string, ConfigProblem>()
  const files = new Map<string, string>()
  const read = (name: string): string | null => {
    const direct = environment[name] ?? ''
    const file = environment[`${name}_FILE`] ?? ''
    if (file !== '' && !files.has(file)) files.set(file, stateOf([file]))
    if (direct !== '' && file !== '') {
      problems.set(name, inEnvironment(name, `${name} and ${name}_FILE are both set`, 'unset one of them'))
    }
    if (direct !== '') return direct
    if (file === '') return null
    try {
      const content = readNamedText(file, MOST_MEGABYTES).replace(/\r?\n$/, '')
      if (content === '') problems.set(name, inEnvironment(`${name}_FILE`, `${file} is empty`, 'write the value into it'))
      return content === '' ? null : content
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const reason = code ?? message
      problems.set(name, inEnvironment(`${name}_FILE`, `${file} cannot be read (${reason})`, 'correct the path or its permissions'))
      return null
    }
  }
  return { read, problems: () => [...problems.values()], files: () => files }
}
