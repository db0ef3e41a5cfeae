import { Icon } from '../parts/icon.tsx'
import { NoPrice, Usd } from '../parts/usd.tsx'
import { plural } from '../format/facts.ts'
import { useIsPhone } from '../shell/media.ts'
import { TextField } from './form-field.tsx'
import { isAllUnpriced, type Total as TotalOfChecked } from './use-quotes.ts'

interface TotalProps {
  readonly total: TotalOfChecked
  /** Whether there are prices to add up; nothing is said of a sum before. */
  readonly isQuoted: boolean
  readonly images: number
  readonly stop: string
  readonly wrong: string | undefined
  readonly onStop: (stop: string) => void
  readonly blind?: { readonly isOn: boolean; readonly onSwitch: () => void }
}

/** Keeps the height of the line that is to come. */
const NOTHING_YET = '\u00a0'

/** What all that is checked would charge, and the most that may be charged. */
export function Total({ total, isQuoted, images, stop, wrong, onStop, blind }: TotalProps) {
  const { known, unpriced, checked } = total
  const isPhone = useIsPhone()
  const isAll = isAllUnpriced(total)
  const asked = isPhone
    ? `${plural(checked.length, 'provider')}, ${plural(images, 'image')} each`
    : `${plural(images, 'image')} from ${checked.length === 1 ? '1 provider' : `each of ${checked.length} providers`}`
  return (
    <div class="total">
      <div>
        <div>
          <span class="title">{!isQuoted ? NOTHING_YET : isAll ? <NoPrice /> : <Usd amount={known} />}</span>
          {unpriced === 0 || isAll ? null : <span class="small two"> + {unpriced} without a price</span>}
        </div>
        <div class="small two">{isQuoted ? asked : NOTHING_YET}</div>
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

/** `$0.0690 + 1 without a price`, in one line. */
export function TotalText({ of }: { readonly of: TotalOfChecked }) {
  const { known, unpriced } = of
  const without = unpriced === 0 ? '' : `${unpriced} without a price`
  if (isAllUnpriced(of)) return <>{without}</>
  return (
    <>
      <Usd amount={known} />
      {without === '' ? '' : ` + ${without}`}
    </>
  )
}
