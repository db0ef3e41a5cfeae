import { nearest, type Warning } from '#contract'

/**
 * Failures a caller can rehearse, by a word in the prompt: `sandbox:moderated`, or `sandbox:moderated@<provider id>` for one vendor only.
 * Some take a parameter: `sandbox:poll-refused=403,404`, `sandbox:late-link=3000@<provider id>`.
 * Every emulator plays every story that its vendor's wire can express.
 */
export const STORIES = {
  moderated: 'the request is refused by moderation',
  'moderated-output': 'the image is refused by moderation after it was made',
  'rate-limited': 'the first submit is answered 429 with Retry-After: 1; the next succeeds',
  'always-rate-limited': 'every submit is answered 429',
  unauthorized: 'the key is refused',
  'no-credit': 'the account has no credit',
  unavailable: 'every submit is answered 503',
  crash: 'every submit is answered 500',
  error: 'the task fails at the vendor',
  slow: 'the task takes 20 times as long',
  never: 'the task stays pending',
  vanished: 'the task is accepted, then not found',
  'unknown-status': 'the first polls return a status nobody documented, then the task succeeds',
  'poll-refused': 'the first polls are refused with 401, 404 and 500 (or the statuses given: poll-refused=403,451), then the task succeeds',
  'lost-reply': 'the task is accepted and paid, and the connection breaks before the reply',
  garbage: 'the task is accepted and paid, and the submit is answered with a page of HTML',
  half: 'the submit reply breaks off in the middle',
  'expired-link': 'the image’s link is dead when it is fetched',
  'late-link': 'the image’s link answers 404 and 403 for a while (late-link=<milliseconds>), then delivers',
  'flaky-link':
    'the link delivers a page of HTML, then no bytes, then half of the image (or what is given: flaky-link=html,empty,half), then the image',
  'gzip-link': 'the image comes with a content coding nobody asked for: gzip, or the one given (gzip-link=br, deflate, chunked)',
  'range-link': 'the image comes whole as 206 Partial Content',
  'drip-link': 'the image comes in small pieces over a long time (drip-link=<milliseconds>)',
  'odd-link': 'the link is relative, or as given: odd-link=data, space, newline or upper',
  'not-an-image': 'the link delivers something that is not an image',
  'half-image': 'the image breaks off in the middle',
  'other-format': 'the image has another format than ordered',
  'extra-image': 'one image more than ordered is delivered',
  partial: 'the last image of a batch fails, the others succeed',
  'big-seed': 'the reply has a seed beyond 2^53',
  'huge-bill': 'the bill is a thousand times the price',
  'zero-bill': 'the bill is 0',
} as const

export type Story = keyof typeof STORIES

/** A story with what stands behind its `=`, or null. */
export interface Play {
  readonly story: Story
  readonly parameter: string | null
}

const WORD = String.raw`\bsandbox:([a-z-]+)(?:=([a-z0-9,]+))?(?:@([a-z0-9-]+))?`

/** The story a prompt asks this provider's emulator to play, or null for plain success. */
export function playOf(prompt: string, provider: string): Play | null {
  for (const match of prompt.matchAll(new RegExp(WORD, 'g'))) {
    const [, name = '', parameter, only] = match
    if (Object.hasOwn(STORIES, name) && (only === undefined || only === provider))
      return { story: name as Story, parameter: parameter ?? null }
  }
  return null
}

const MOST_WARNINGS = 3
const MOST_CHARS = 60

/** The words of a prompt that ask for a story which no emulator knows, or of a provider that there is not: else it would be mere success. */
export function unplayedStories(prompt: string, providers: readonly string[]): readonly Warning[] {
  const warnings = new Map<string, Warning>()
  for (const [word, name = '', , only] of prompt.matchAll(new RegExp(WORD, 'gi'))) {
    const reason = whyUnplayed(word, name, only, providers)
    if (reason !== null)
      warnings.set(word, { code: 'unsupported', field: 'prompt', requested: word.slice(0, MOST_CHARS), used: null, reason })
    if (warnings.size === MOST_WARNINGS) break
  }
  return [...warnings.values()]
}

function whyUnplayed(word: string, name: string, only: string | undefined, providers: readonly string[]): string | null {
  const isStory = word.startsWith('sandbox:') && Object.hasOwn(STORIES, name)
  if (isStory && (only === undefined || providers.includes(only))) return null
  const [given, known] = isStory ? [only ?? '', providers] : [name, Object.keys(STORIES)]
  const near = nearest(given, known)
  const meant = near === null ? '' : ` Did you mean ${isStory ? `@${near}` : `sandbox:${near}`}?`
  const what = isStory ? 'is of a provider that there is not' : 'is no story of the sandbox'
  return `${word.slice(0, MOST_CHARS)} ${what}, and stays a part of the prompt.${meant} There are ${known.join(', ')}.`
}
