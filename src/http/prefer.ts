const DEFAULT_WAIT_S = 60
const MAX_WAIT_S = 600

/** `Prefer` of RFC 7240: how long the caller would wait for the end. A value we do not understand is left unapplied, as the RFC asks. */
export function waitOf(
  prefer: string | undefined,
  defaultSeconds: number = DEFAULT_WAIT_S,
): { readonly waitMs: number; readonly applied: string | null } {
  for (const preference of (prefer ?? '').split(',')) {
    const text = preference.trim().toLowerCase()
    if (text === 'respond-async') return { waitMs: 0, applied: text }
    const seconds = /^wait="?(\d{1,6})"?$/.exec(text)?.[1]
    if (seconds !== undefined) {
      const wait = Math.min(MAX_WAIT_S, Number(seconds))
      return { waitMs: wait * 1000, applied: `wait=${wait}` }
    }
  }
  return { waitMs: defaultSeconds * 1000, applied: null }
}
