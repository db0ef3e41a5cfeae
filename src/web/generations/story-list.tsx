import type { Generation } from '../../client/index.ts'
import { plural } from '../format/facts.ts'
import { CallsOf } from './calls.tsx'
import { storyOf } from './story.ts'

/** The calls of so many attempts are asked for at once. */
const MOST_ASKED = 5

export function Story({ generation, titles }: { readonly generation: Generation; readonly titles: (id: string | null) => string }) {
  return (
    <section class="story-part">
      <h2 class="head">Story: {plural(generation.attempts.length, 'attempt')}</h2>
      <ol class="story" aria-label="Story">
        {storyOf(generation, titles).map(({ seconds, kind, head, text, billed, attempt }) => (
          <li key={head} class={kind}>
            <span class="num small three">{seconds}</span>
            <span class="dot" />
            <div>
              <div class="medium">{head}</div>
              {text === '' && billed === '' && attempt === null ? null : (
                <div class="small two">
                  {text} {billed === '' ? null : <b class="ink">{billed}</b>}{' '}
                  {attempt === null ? null : (
                    <CallsOf
                      id={generation.id}
                      attempt={attempt}
                      isOpen={kind === 'open'}
                      isOneOfMany={generation.attempts.length > MOST_ASKED}
                    />
                  )}
                </div>
              )}
            </div>
          </li>
        ))}
      </ol>
    </section>
  )
}
