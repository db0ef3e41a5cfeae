import { Secret } from '../transport/secret.ts'

/** Whether two settings are the same, secrets and maps compared by what they hold. Keys in another order are another setting. */
export const isSameSetting = (left: unknown, right: unknown): boolean => fingerprint(left) === fingerprint(right)

/** Holds secrets in plain: compared and forgotten, never kept or shown. */
const fingerprint = (value: unknown): string | undefined =>
  JSON.stringify(value, function (this: Readonly<Record<string, unknown>>, name, written: unknown) {
    const held = this[name]
    if (held instanceof Secret) return { secret: held.reveal() }
    return held instanceof Map ? [...held] : written
  })
