/**
 * Failures a caller can rehearse, by a word in the prompt: `sandbox:moderated`, or `sandbox:moderated@<provider id>` for one vendor only.
 * Every emulator plays every story that its vendor's wire can tell.
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
  'unknown-status': 'the first polls tell a status nobody documented, then the task succeeds',
  'lost-reply': 'the task is accepted and paid, and the connection breaks before the reply',
  garbage: 'the submit is answered with a page of HTML',
  half: 'the submit reply breaks off in the middle',
  'expired-link': 'the image’s link is dead when it is fetched',
  'not-an-image': 'the link delivers something that is not an image',
  'half-image': 'the image breaks off in the middle',
  partial: 'the last image of a batch fails, the others succeed',
  'big-seed': 'the reply tells a seed beyond 2^53',
} as const

export type Story = keyof typeof STORIES

/** The story a prompt asks this vendor to play, or null for plain success. */
export function storyOf(prompt: string, vendor: string): Story | null {
  for (const match of prompt.matchAll(/\bsandbox:([a-z-]+)(?:@([a-z0-9-]+))?/g)) {
    const [, name = '', only] = match
    if (name in STORIES && (only === undefined || only === vendor)) return name as Story
  }
  return null
}
