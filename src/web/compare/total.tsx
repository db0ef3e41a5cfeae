import { Icon } from '../parts/icon.tsx'
import { Usd } from '../parts/usd.tsx'
import { plural } from '../format/facts.ts'
import { useIsPhone } from '../shell/media.ts'
import { TextField } from './form-field.tsx'
import type { Total as TotalOfChecked } from './use-quotes.ts'

interface TotalProps {
  readonly total: TotalOfChecked
  readonly images: number
  readonly stop: string
  readonly wrong: string | undefined
  readonly onStop: (stop: string) => void
  readonly blind?: { readonly isOn: boolean; readonly onSwitch: () => void }
}

/** What all that is checked would charge, and the most that may be charged. */
export function Total({ total, images, stop, wrong, onStop, blind }: TotalProps) {
  const { known, unpriced, checked } = total
  const isPhone = useIsPhone()
  return (
    <div class="total">
      <div>
        <div>
          <span class="title">
            <Usd amount={known} />
          </span>
          {unpriced === 0 ? null : <span class="small two"> + {unpriced} without a price</span>}
        </div>
        <div class="small two">
          {isPhone
            ? `${plural(checked.length, 'provider')}, ${plural(images, 'image')} each`
            : `${plural(images, 'image')} from ${checked.length === 1 ? '1 provider' : `each of ${checked.length} providers`}`}
        </div>
      </div>
      {blind === undefined ? null : (
        <button
          type="button"
          class="action"
          aria-pressed={blind.isOn}
          title="Names, prices and times come after your choice."
          onClick={blind.onSwitch}
        >
          <Icon name="blind" />
          Blind vote
        </button>
      )}
      <TextField
        id="stop"
        label="Stop above"
        placeholder="no limit"
        inputMode="decimal"
        class="stop"
        value={stop}
        wrong={wrong}
        onValue={onStop}
      />
    </div>
  )
}
