export { suggest } from '#contract'

/** One thing that is wrong (or, as a warning, doubtful) in the configuration, and what to do about it. */
export interface ConfigProblem {
  /** The file as it was named, or `environment`. */
  readonly file: string
  /** From 1; null where the problem is not in the file. */
  readonly line: number | null
  readonly column: number | null
  /** Dotted key or the variable's name; empty for the whole file. */
  readonly path: string
  readonly message: string
  readonly remedy: string | null
}

/** `imagegate.yaml:4:3: server.prot: unknown key (did you mean "port"?)` */
export function formatProblem(problem: ConfigProblem): string {
  const position = problem.line === null ? problem.file : `${problem.file}:${problem.line}:${problem.column ?? 1}`
  const path = problem.path === '' ? '' : `${problem.path}: `
  return `${position}: ${path}${problem.message}${problem.remedy === null ? '' : ` — ${problem.remedy}`}`
}

export const inEnvironment = (name: string, message: string, remedy: string | null): ConfigProblem => ({
  file: 'environment',
  line: null,
  column: null,
  path: name,
  message,
  remedy,
})
