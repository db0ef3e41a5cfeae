import { isObject } from '#contract'
import type { Json, JsonObject } from '#contract'

/** A safety check that a request switches on by one provider's own option: only that provider has it. */
export interface SafetyCheck {
  readonly provider: string
  /** As the caller wrote it: `provider_options.<provider>.<path>`. */
  readonly field: string
}

/**
 * The safety checks that provider_options switch on.
 * @param pathsOf the manifest's `safety_options` of a provider
 */
export const safetyChecksOn = (
  options: Readonly<Record<string, JsonObject>>,
  pathsOf: (provider: string) => readonly string[],
): readonly SafetyCheck[] =>
  Object.entries(options).flatMap(([provider, own]) =>
    pathsOf(provider)
      .filter((path) => isOn(valueAt(own, path.split('.'))))
      .map((path) => ({ provider, field: `provider_options.${provider}.${path}` })),
  )

/**
 * Why a provider must not be used: it lacks the checks that are on elsewhere. One that has a check of its own on is used with that;
 * a request that names checks of two providers asks for the check of whichever takes it.
 */
export function missingChecks(provider: string, checks: readonly SafetyCheck[]): readonly string[] {
  if (checks.some((check) => check.provider === provider)) return []
  return checks.map(({ field }) => `${field}: it switches a safety check on that ${provider} does not have.`)
}

const OFF: ReadonlySet<string> = new Set(['', 'none', 'off', 'false'])

function isOn(value: Json | undefined): boolean {
  if (typeof value === 'string') return !OFF.has(value.toLowerCase())
  return value === true || (typeof value === 'number' && value > 0)
}

function valueAt(options: Json | undefined, [name, ...rest]: readonly string[]): Json | undefined {
  if (name === undefined) return options
  return isObject(options) ? valueAt(options[name], rest) : undefined
}
