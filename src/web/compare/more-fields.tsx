import type { ComponentChild } from 'preact'
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

const RANGES = {
  safety_tolerance: { part: 'safety', label: 'Safety (0 is strictest)' },
  guidance: { part: 'guidance', label: 'Guidance' },
  steps: { part: 'steps', label: 'Steps' },
  output_quality: { part: 'quality', label: 'Quality of the format' },
} as const

const CHOICES = {
  quality: { part: 'effort', label: 'Quality' },
  background: { part: 'background', label: 'Background' },
} as const

const AS_EACH = ['', 'as each provider does'] as const
/** Below a field that no checked offer has, and that is shown because it is set: else nobody could empty it. */
const NOBODY_HAS_IT = 'No checked provider has it.'

/** The fields that are seldom set. What no checked offer has is shown only while it is set. */
export function MoreFields({ draft, offers, wrong, change }: MoreProps) {
  // Before the offers are known, nothing is said of who has what.
  const nobody = offers.length === 0 ? '' : NOBODY_HAS_IT
  const range = (field: keyof typeof RANGES): ComponentChild => {
    const { part, label } = RANGES[field]
    const bounds = boundsOf(offers, field)
    if (bounds === null && draft[part] === '') return null
    return (
      <RangeField
        id={part}
        label={label}
        bounds={bounds}
        value={draft[part]}
        wrong={wrong[field]}
        below={nobody}
        onValue={(value) => change({ [part]: value })}
      />
    )
  }
  const choice = (field: keyof typeof CHOICES): ComponentChild => {
    const { part, label } = CHOICES[field]
    const values = valuesOf(offers, field)
    const value = draft[part]
    if (values.length === 0 && value === '') return null
    const shown = values.includes(value) || value === '' ? values : [...values, value]
    return (
      <ChoiceField
        id={part}
        label={label}
        value={value}
        choices={[AS_EACH, ...shown.map((one) => [one, one] as const)]}
        wrong={wrong[field]}
        below={values.length === 0 ? nobody : ''}
        onValue={(next) => change({ [part]: next })}
      />
    )
  }
  const canSwitch = offers.some(({ limits }) => limits.prompt_upsampling.settable)
  return (
    <div class="more-fields">
      {range('safety_tolerance')}
      {canSwitch || draft.upsampling !== '' ? (
        <ChoiceField
          id="upsampling"
          label="Upsampling"
          value={draft.upsampling}
          choices={[AS_EACH, ['on', 'on'], ['off', 'off']]}
          below={canSwitch ? '' : nobody}
          onValue={(value) => change({ upsampling: value as Draft['upsampling'] })}
        />
      ) : null}
      {range('guidance')}
      {range('steps')}
      {range('output_quality')}
      {choice('quality')}
      {choice('background')}
      {draft.mask !== null || offers.some(({ limits }) => limits.mask === true) ? (
        <MaskField mask={draft.mask} first={draft.references[0]} wrong={wrong['mask']} onMask={(mask) => change({ mask })} />
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
        wrong={wrong['webhook']}
        onValue={(webhook) => change({ webhook })}
      />
    </div>
  )
}
