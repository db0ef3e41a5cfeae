import { useEffect, useRef, useState } from 'preact/hooks'
import { Icon } from '../parts/icon.tsx'
import { useKeys } from '../shell/keys.ts'
import { useIsPhone } from '../shell/media.ts'
import type { useAsking } from './asking.ts'
import { chipsOf, isBelowMore, type Draft } from './draft.ts'
import { FAULT, type useGo } from './go.ts'
import { Quotes } from './quotes.tsx'
import { ModelField, PromptField, RequestFields } from './request-form.tsx'
import { NoOffer, Refused } from './refused.tsx'
import { Total, TotalText } from './total.tsx'

/** As the keyboard here has it. */
const COMMAND = /Mac|iP(hone|ad|od)/.test(navigator.userAgent) ? '⌘' : 'Ctrl'

interface FormProps {
  readonly asking: ReturnType<typeof useAsking>
  readonly going: ReturnType<typeof useGo>
  readonly isFolded: boolean
  /** In a blind vote; what is typed stays. */
  readonly isHidden: boolean
  readonly onOpen: (opened: boolean) => void
  /** The vote that can be made blind, chosen before anything is asked. */
  readonly blind?: { readonly isOn: boolean; readonly onSwitch: () => void }
}

/** The request and its prices; once there is a result it folds to a line, with the same fields in it. */
export function Form({ asking, going, isFolded, isHidden, onOpen, blind }: FormProps) {
  const { draft, change, models, offers, quote, titles, total } = asking
  const { wrong } = going
  const form = useRef<HTMLFormElement>(null)
  const [showsMore, setShowsMore] = useState(false)
  const isPhone = useIsPhone()
  const open = (field: string) => {
    onOpen(true)
    if (field !== 'quotes' && (isPhone || isBelowMore(field))) setShowsMore(true)
    requestAnimationFrame(() => document.getElementById(field)?.focus())
  }
  const keys = {
    'mod+Enter': () => void going.go(),
    '/': () => document.getElementById('prompt')?.focus(),
    e: () => (isFolded ? open('width') : onOpen(false)),
  }
  useKeys(isHidden ? {} : keys)
  const faults = Object.keys(wrong).join(' ')
  useEffect(() => {
    if (faults !== '' && !form.current?.contains(document.activeElement)) document.querySelector<HTMLElement>(FAULT)?.focus()
  }, [faults])
  return (
    <form
      ref={form}
      hidden={isHidden}
      class={`request${isFolded ? ' folded' : ''}`}
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        void going.go()
      }}
    >
      <div class="asked">
        <PromptField
          draft={draft}
          wrong={wrong}
          folded={isFolded}
          change={(part) => {
            going.forgetPrompt()
            change(part)
          }}
        />
        <div class="chips-line">
          <ModelField draft={draft} models={models} wrong={wrong} change={change} folded={isFolded} />
          {isFolded ? <Chips draft={draft} providers={total.checked.length} onOpen={open} /> : null}
        </div>
        {isFolded ? null : (
          <RequestFields {...{ draft, offers, quote, titles, wrong, change }} showsMore={showsMore} onMore={setShowsMore} />
        )}
      </div>
      <Charged {...{ asking, going, isFolded }} {...(blind === undefined ? {} : { blind })} />
    </form>
  )
}

function Charged({ asking, going, isFolded, blind }: Omit<FormProps, 'onOpen' | 'isHidden'>) {
  const [showsQuotes, setShowsQuotes] = useState(false)
  const { quote, before, model, draft, isBusy, titles, change, total } = asking
  const none = quote !== undefined && quote.offers.length > 0 && quote.offers.every(({ eligible }) => !eligible)
  const { refusal, wrong } = going
  return (
    <div class="charged">
      {isFolded ? (
        <button type="button" class="action disclosure" aria-expanded={showsQuotes} onClick={() => setShowsQuotes(!showsQuotes)}>
          <Icon name={showsQuotes ? 'down' : 'chevron'} />
          <span>
            Quotes
            {quote === undefined ? null : (
              <>
                : <TotalText of={total} />
              </>
            )}
          </span>
        </button>
      ) : null}
      <div class="card quotes-card" id="quotes" tabIndex={-1} hidden={isFolded && !showsQuotes}>
        <div class="quotes-head">
          <h2 class="head">What each would charge</h2>
          <span class="small three">Live. Asking for prices spends nothing.</span>
        </div>
        {none && quote !== undefined ? <NoOffer quote={quote} /> : refusal === null ? null : <Refused {...refusal} />}
        <Quotes {...{ quote, before, model, draft, isBusy, wrong, titles, change }} />
        <Total
          total={total}
          isQuoted={quote !== undefined}
          images={Math.max(1, Number(draft.n) || 1)}
          stop={draft.stop}
          wrong={wrong['provider.max_price_usd']}
          onStop={(stop) => change({ stop })}
          {...(blind === undefined ? {} : { blind })}
        />
      </div>
      <div class="go">
        <button type="submit" class="button primary" aria-disabled={going.isOff} aria-describedby="go-said">
          Compare
        </button>
        {isFolded ? null : (
          <span class="keys" aria-hidden="true">
            <span class="kbd">{COMMAND}</span> <span class="kbd">↵</span>
          </span>
        )}
      </div>
      <p id="go-said" class="go-said small warn">
        {going.said}
        {going.takeBack === null ? null : (
          <>
            {' '}
            <button type="button" class="link" onClick={going.takeBack}>
              Do not start
            </button>
          </>
        )}
      </p>
    </div>
  )
}

function Chips({
  draft,
  providers,
  onOpen,
}: {
  readonly draft: Draft
  readonly providers: number
  readonly onOpen: (field: string) => void
}) {
  return (
    <>
      {chipsOf(draft, providers).map(({ text, field }) => (
        <button key={text} type="button" class="chip" onClick={() => onOpen(field)}>
          {text}
        </button>
      ))}
    </>
  )
}
