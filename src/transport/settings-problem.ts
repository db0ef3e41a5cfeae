/** One setting that cannot be used. `path` is the configuration's dotted key; `message` says what to give instead and holds no secret. */
export interface SettingsProblem {
  readonly path: string
  readonly message: string
}

/** The settings cannot be used; nothing was changed. The message holds every problem, one a line. */
export class SettingsRefused extends Error {
  readonly problems: readonly SettingsProblem[]

  constructor(problems: readonly SettingsProblem[]) {
    super(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'))
    this.problems = problems
  }
}

type Built<Parts extends readonly (() => unknown)[]> = { -readonly [Index in keyof Parts]: ReturnType<Parts[Index]> }

/**
 * Builds every part, so that the problems of all of them are found at once.
 * @throws SettingsRefused with the problems of all parts
 */
export function buildAll<const Parts extends readonly (() => unknown)[]>(parts: Parts): Built<Parts> {
  const problems: SettingsProblem[] = []
  const built = parts.map((build) => {
    try {
      return build()
    } catch (error) {
      if (!(error instanceof SettingsRefused)) throw error
      problems.push(...error.problems)
      return undefined
    }
  })
  if (problems.length > 0) throw new SettingsRefused(problems)
  return built as Built<Parts>
}
