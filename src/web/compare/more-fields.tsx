import type { Draft } from './draft.ts'
import { ChoiceField, RangeField, TextField, type Wrong } from './form-field.tsx'
import { boundsOf, valuesOf, type LimitedOffer } from './limits.ts'
import { MaskField } from './mask-field.tsx'

interface MoreProps {
  readonly draft: Draft
  readonly offers: readonly LimitedOffer[]
  readonly wrong: Wrong
  readonly change: (part: Partial<Draft>) => void
}

const RANGES = [
  { field: 'safety_tolerance', part: 'safety', label: 'Safety (0 is strictest)' },
  { field: 'guidance', part: 'guidance', label: 'Guidance' },
  { field: 'steps', part: 'steps', label: 'Steps' },
  { field: 'output_quality', part: 'quality', label: 'Quality of the format' },
] as const

const CHOICES = [
  { field: 'quality', part: 'effort', label: 'Quality' },
  { field: 'background', part: 'background', label: 'Background' },
] as const

/** The fields that are seldom set. What no checked offer has is not shown. */
export function MoreFields({ draft, offers, wrong, change }: MoreProps) {
  const canSwitch = offers.some(({ limits }) => limits.prompt_upsampling.settable)
  return (
    <div class="more-fields">
      {RANGES.map(({ field, part, label }) => {
        const bounds = boundsOf(offers, field)
        if (bounds === null) return null
        return (
          <RangeField
            key={field}
            id={part}
            label={label}
            bounds={bounds}
            value={draft[part]}
            wrong={wrong[field]}
            onValue={(value) => change({ [part]: value })}
          />
        )
      })}
      {CHOICES.map(({ field, part, label }) => {
        const values = valuesOf(offers, field)
        if (values.length === 0) return null
        return (
          <ChoiceField
            key={field}
            id={part}
            label={label}
            value={draft[part]}
            choices={[['', 'as each provider does'], ...values.map((value) => [value, value] as const)]}
            wrong={wrong[field]}
            onValue={(value) => change({ [part]: value })}
          />
        )
      })}
      {draft.mask !== null || offers.some(({ limits }) => limits.mask === true) ? (
        <MaskField mask={draft.mask} first={draft.references[0]} wrong={wrong['mask']} onMask={(mask) => change({ mask })} />
      ) : null}
      {canSwitch ? (
        <ChoiceField
          id="upsampling"
          label="Upsampling"
          value={draft.upsampling}
          choices={[
            ['', 'as each provider does'],
            ['on', 'on'],
            ['off', 'off'],
          ]}
          onValue={(value) => change({ upsampling: value as Draft['upsampling'] })}
        />
      ) : null}
      <ChoiceField
        id="on-unsupported"
        label="What an offer cannot do exactly"
        value={draft.onUnsupported}
        choices={[
          ['adapt', 'adapt it and say so'],
          ['reject', 'refuse'],
        ]}
        onValue={(value) => change({ onUnsupported: value as Draft['onUnsupported'] })}
      />
      <TextField
        id="metadata"
        label="Metadata"
        placeholder="team=shop, order=77"
        value={draft.metadata}
        wrong={wrong['metadata']}
        onValue={(metadata) => change({ metadata })}
      />
      <TextField
        id="webhook"
        label="Webhook"
        placeholder="https://"
        inputMode="url"
        value={draft.webhook}
        wrong={wrong['webhook.url'] ?? wrong['webhook']}
        onValue={(webhook) => change({ webhook })}
      />
    </div>
  )
}
