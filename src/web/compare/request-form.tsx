import type { Model, Quote } from '../../client/index.ts'
import { formatName } from '../format/facts.ts'
import { Icon } from '../parts/icon.tsx'
import { moreText, sizeAsked, type Draft } from './draft.ts'
import { ChoiceField, Field, TextField, type Wrong } from './form-field.tsx'
import { referencesText, sizeText, type LimitedOffer } from './limits.ts'
import { useIsPhone } from '../shell/media.ts'
import { MoreFields } from './more-fields.tsx'
import { ReferencesField } from './references-field.tsx'
import { ShapeField } from './shape-field.tsx'

interface FormProps {
  readonly draft: Draft
  readonly models: readonly Model[]
  readonly offers: readonly LimitedOffer[]
  readonly quote: Quote | undefined
  readonly titles: (id: string) => string
  readonly wrong: Wrong
  readonly showsMore: boolean
  readonly onMore: (shows: boolean) => void
  readonly change: (part: Partial<Draft>) => void
}

export function PromptField({
  draft,
  wrong,
  folded,
  change,
}: Pick<FormProps, 'draft' | 'wrong' | 'change'> & { readonly folded: boolean }) {
  const lines = draft.prompt.split('\n').reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / 44)), 0)
  return (
    <div class="field prompt">
      <label for="prompt" class={folded ? 'hidden' : undefined}>
        Prompt
      </label>
      <textarea
        id="prompt"
        class="control"
        rows={folded ? 1 : Math.min(10, Math.max(3, lines))}
        dir="auto"
        value={draft.prompt}
        aria-invalid={wrong['prompt'] === undefined ? undefined : true}
        aria-describedby={wrong['prompt'] === undefined ? undefined : 'prompt-wrong'}
        onInput={(event) => change({ prompt: event.currentTarget.value })}
      />
      {wrong['prompt'] === undefined ? null : (
        <span class="wrong" id="prompt-wrong" role="alert">
          {wrong['prompt']}
        </span>
      )}
    </div>
  )
}

export function ModelField({
  draft,
  models,
  wrong,
  change,
  folded,
}: Pick<FormProps, 'draft' | 'models' | 'wrong' | 'change'> & { readonly folded: boolean }) {
  return (
    <Field id="model" label="Model" wrong={wrong['model']} class={folded ? 'model as-chip' : 'model'}>
      <select
        id="model"
        class="control"
        value={draft.model}
        onChange={(event) => change({ model: event.currentTarget.value, options: {} })}
      >
        {models.map(({ id, alias_of: aliasOf }) => (
          <option key={id} value={id}>
            {aliasOf === null ? id : `${id} (${aliasOf})`}
          </option>
        ))}
      </select>
    </Field>
  )
}

/** Faults of these stand below fields that are always in view; a fault of any other opens More. */
const ALWAYS_IN_VIEW = new Set(['prompt', 'model', 'provider.max_price_usd'])
const IN_VIEW_OF_WIDE = new Set(['width', 'height', 'n', 'seed', 'output_format', 'reference_images'])

/** All fields of the request but the prompt and the model. On a phone all but the shape stand below More. */
export function RequestFields({ draft, offers, quote, titles, wrong, showsMore, onMore, change }: Omit<FormProps, 'models'>) {
  const isPhone = useIsPhone()
  const isInView = (path: string) =>
    ALWAYS_IN_VIEW.has(path) || path.startsWith('provider_options.') || (!isPhone && IN_VIEW_OF_WIDE.has(path))
  const hasFault = Object.keys(wrong).some((path) => !isInView(path))
  const isOpen = showsMore || hasFault
  const usual = (
    <>
      <SizeAndOutput draft={draft} offers={offers} quote={quote} titles={titles} wrong={wrong} change={change} />
      <ReferencesField
        references={draft.references}
        said={referencesText(offers)}
        wrong={wrong['reference_images']}
        onReferences={(references) => change({ references })}
      />
    </>
  )
  return (
    <div class="fields">
      <ShapeField draft={draft} change={change} />
      {isPhone ? null : usual}
      <div class="more">
        <button type="button" class="action" id="more" aria-expanded={isOpen} onClick={() => onMore(!isOpen)}>
          <Icon name={isOpen ? 'down' : 'chevron'} />
          {moreText(draft, isPhone)}
        </button>
        {isOpen ? (
          <>
            {isPhone ? <div class="usual-fields">{usual}</div> : null}
            <MoreFields draft={draft} offers={offers} wrong={wrong} change={change} />
          </>
        ) : null}
      </div>
    </div>
  )
}

/** A request that was sent before may have said its size another way: it is asked for so again until a width and a height are given. */
const earlierSize = (draft: Draft): string =>
  draft.width === '' && draft.height === '' && sizeAsked(draft) !== '' ? `As before: ${sizeAsked(draft)}.` : ''

type SizeProps = Pick<FormProps, 'draft' | 'offers' | 'quote' | 'titles' | 'wrong' | 'change'>

function SizeAndOutput({ draft, offers, quote, titles, wrong, change }: SizeProps) {
  const taken = (quote?.offers ?? [])
    .filter(({ eligible }) => eligible)
    .map(({ provider, fidelity }) => ({ title: titles(provider), fidelity }))
  const formats = [
    ...new Set([...offers.flatMap(({ limits }) => limits.output_format.values), ...(draft.format === '' ? [] : [draft.format])]),
  ]
  // What no offer has is not shown; before the offers are known, their usual fields are.
  const hasSeed = offers.length === 0 || draft.seed !== '' || offers.some(({ limits }) => limits.seed !== null)
  const hasFormat = offers.length === 0 || formats.length > 0
  return (
    <>
      <div class="row two-columns size">
        <TextField
          id="width"
          label="Width"
          inputMode="numeric"
          value={draft.width}
          wrong={wrong['width']}
          onValue={(width) => change({ width })}
        />
        <TextField
          id="height"
          label="Height"
          inputMode="numeric"
          value={draft.height}
          wrong={wrong['height']}
          onValue={(height) => change({ height })}
        />
        <span class="below small three">{sizeText(Number(draft.width), Number(draft.height), taken) || earlierSize(draft)}</span>
      </div>
      <div class="row three-columns">
        <TextField id="n" label="Images each" inputMode="numeric" value={draft.n} wrong={wrong['n']} onValue={(n) => change({ n })} />
        {hasSeed ? (
          <TextField
            id="seed"
            label="Seed"
            inputMode="numeric"
            placeholder="new each time"
            value={draft.seed}
            wrong={wrong['seed']}
            onValue={(seed) => change({ seed })}
          />
        ) : null}
        {hasFormat ? (
          <ChoiceField
            id="format"
            label="Format"
            value={draft.format}
            choices={[['', 'any'], ...formats.map((format) => [format, formatName(format)] as const)]}
            wrong={wrong['output_format']}
            onValue={(format) => change({ format })}
          />
        ) : null}
      </div>
    </>
  )
}
