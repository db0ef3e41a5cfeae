import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import type { NewGatewayKey } from '../../client/index.ts'

const SCOPES = ['read', 'write', 'admin'] as const
const PERIODS = ['day', 'month', 'total'] as const
const PERIOD_WORDS: Readonly<Record<string, string>> = { day: 'each day', month: 'each month', total: 'never' }

interface Typed {
  readonly name: string
  readonly scope: (typeof SCOPES)[number]
  readonly budget: string
  readonly period: (typeof PERIODS)[number]
  readonly unpriced: boolean
  readonly perMinute: string
  readonly until: string
  readonly models: string
  readonly providers: string
}

const NOTHING: Typed = {
  name: '',
  scope: 'write',
  budget: '',
  period: 'month',
  unpriced: false,
  perMinute: '',
  until: '',
  models: '',
  providers: '',
}

const namesOf = (text: string): string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')

/** What was typed, as the API takes it; what was left empty is not in it. */
function keyOf({ name, scope, budget, period, unpriced, perMinute, until, models, providers }: Typed): NewGatewayKey {
  const [onlyModels, onlyProviders] = [namesOf(models), namesOf(providers)]
  return {
    name,
    scope,
    ...(budget.trim() === '' ? {} : { budget_usd: budget.trim(), period, allow_unpriced: unpriced }),
    ...(perMinute.trim() === '' ? {} : { rate: { per_minute: Number(perMinute) } }),
    ...(until === '' ? {} : { expires_at: `${until}T00:00:00Z` }),
    ...(onlyModels.length === 0 ? {} : { models: onlyModels }),
    ...(onlyProviders.length === 0 ? {} : { providers: onlyProviders }),
  }
}

interface NewKeyProps {
  /** Makes the key; false where it was refused, and what was typed stays. */
  readonly onCreate: (key: NewGatewayKey) => Promise<boolean>
}

/** What a gateway key can be made with; every field but the name may be left as it is. */
export function NewKey({ onCreate }: NewKeyProps) {
  const [typed, setTyped] = useState(NOTHING)
  const change = (changed: Partial<Typed>) => setTyped((before) => ({ ...before, ...changed }))
  const create = async () => {
    if (typed.name !== '' && (await onCreate(keyOf(typed)))) setTyped(NOTHING)
  }
  const text = (field: 'name' | 'budget' | 'perMinute' | 'models' | 'providers', label: string, name: string, placeholder: string) => (
    <Labelled label={label}>
      <input
        class="control"
        aria-label={name}
        placeholder={placeholder}
        value={typed[field]}
        onInput={(event) => change({ [field]: event.currentTarget.value })}
      />
    </Labelled>
  )
  return (
    <form
      class="new-key"
      onSubmit={(event) => {
        event.preventDefault()
        void create()
      }}
    >
      {text('name', 'Name', 'Name of the new key', 'team-b')}
      <Choice label="Scope" name="Scope of the new key" value={typed.scope} choices={SCOPES} onValue={(scope) => change({ scope })} />
      {text('budget', 'Budget, in dollars', 'Budget, in dollars', 'no limit')}
      <Choice
        label="Budget starts anew"
        name="Budget starts anew"
        value={typed.period}
        choices={PERIODS}
        onValue={(period) => change({ period })}
      />
      {text('perMinute', 'Requests a minute', 'Requests a minute', 'no limit')}
      <Labelled label="Refused from (UTC)">
        <input class="control" type="date" value={typed.until} onChange={(event) => change({ until: event.currentTarget.value })} />
      </Labelled>
      {text('models', 'Models', 'Models of the new key', 'all; else flux-2-pro, …')}
      {text('providers', 'Providers', 'Providers of the new key', 'all; else runware, …')}
      {typed.budget.trim() === '' ? null : (
        <label class="small unpriced">
          <input type="checkbox" checked={typed.unpriced} onChange={(event) => change({ unpriced: event.currentTarget.checked })} />
          May use offers without a price
        </label>
      )}
      <button type="submit" class="button">
        Create
      </button>
    </form>
  )
}

const Labelled = ({ label, children }: { readonly label: string; readonly children: ComponentChildren }) => (
  <label class="field">
    <span class="label">{label}</span>
    {children}
  </label>
)

interface ChoiceProps<Value extends string> {
  readonly label: string
  readonly name: string
  readonly value: Value
  readonly choices: readonly Value[]
  readonly onValue: (value: Value) => void
}

function Choice<Value extends string>({ label, name, value, choices, onValue }: ChoiceProps<Value>) {
  return (
    <Labelled label={label}>
      <select class="control" aria-label={name} value={value} onChange={(event) => onValue(event.currentTarget.value as Value)}>
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {PERIOD_WORDS[choice] ?? choice}
          </option>
        ))}
      </select>
    </Labelled>
  )
}
