import type { ComponentChildren } from 'preact'
import type { Bounds } from './limits.ts'

/** Messages of a refused request, by the field's path. */
export type Wrong = Readonly<Record<string, string>>

interface FieldProps {
  readonly id: string
  readonly label: string
  readonly wrong?: string | undefined
  readonly below?: string | undefined
  readonly class?: string
  readonly children: ComponentChildren
}

export function Field({ id, label, wrong, below, class: name = '', children }: FieldProps) {
  return (
    <div class={`field ${name}`}>
      <label for={id}>{label}</label>
      {children}
      {wrong === undefined ? null : (
        <span class="wrong" id={`${id}-wrong`}>
          {wrong}
        </span>
      )}
      {below === undefined || below === '' ? null : <span class="below">{below}</span>}
    </div>
  )
}

interface TextProps {
  readonly id: string
  readonly label: string
  readonly value: string
  readonly onValue: (value: string) => void
  readonly wrong?: string | undefined
  readonly below?: string | undefined
  readonly placeholder?: string
  readonly inputMode?: 'numeric' | 'decimal' | 'text' | 'url'
  readonly class?: string
}

export function TextField({ id, label, value, onValue, wrong, below, placeholder, inputMode = 'text', class: name = '' }: TextProps) {
  return (
    <Field id={id} label={label} wrong={wrong} below={below} class={name}>
      <input
        id={id}
        class={`control${inputMode === 'numeric' || inputMode === 'decimal' ? ' num' : ''}`}
        inputMode={inputMode}
        autocomplete="off"
        value={value}
        placeholder={placeholder}
        aria-invalid={wrong === undefined ? undefined : true}
        aria-describedby={wrong === undefined ? undefined : `${id}-wrong`}
        onInput={(event) => onValue(event.currentTarget.value)}
      />
    </Field>
  )
}

/** A number: a text box, and a slider beside it where bounds are known. The box stays the same one when they become known, and keeps the focus. */
export function RangeField({ bounds, below, ...field }: TextProps & { readonly bounds: Bounds | null }) {
  const { id, label, value, onValue, wrong } = field
  return (
    <Field id={id} label={label} wrong={wrong} below={bounds === null ? below : bounds.earlier}>
      <span class="range-field">
        <input
          id={id}
          class="control num"
          inputMode="decimal"
          autocomplete="off"
          value={value}
          placeholder="default"
          aria-invalid={wrong === undefined ? undefined : true}
          aria-describedby={wrong === undefined ? undefined : `${id}-wrong`}
          onInput={(event) => onValue(event.currentTarget.value)}
        />
        {bounds === null ? null : (
          <input
            type="range"
            aria-label={`${label}, ${bounds.min} to ${bounds.max}`}
            min={bounds.min}
            max={bounds.max}
            step={bounds.step}
            value={value === '' ? bounds.min : value}
            onInput={(event) => onValue(event.currentTarget.value)}
          />
        )}
      </span>
    </Field>
  )
}

interface ChoiceProps {
  readonly id: string
  readonly label: string
  readonly value: string
  readonly choices: readonly (readonly [value: string, shown: string])[]
  readonly onValue: (value: string) => void
  readonly wrong?: string | undefined
  readonly below?: string
}

export function ChoiceField({ id, label, value, choices, onValue, wrong, below }: ChoiceProps) {
  return (
    <Field id={id} label={label} wrong={wrong} below={below}>
      <select
        id={id}
        class="control"
        value={value}
        aria-invalid={wrong === undefined ? undefined : true}
        aria-describedby={wrong === undefined ? undefined : `${id}-wrong`}
        onChange={(event) => onValue(event.currentTarget.value)}
      >
        {choices.map(([choice, shown]) => (
          <option key={choice} value={choice}>
            {shown}
          </option>
        ))}
      </select>
    </Field>
  )
}
