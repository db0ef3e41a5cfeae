import { Icon, type IconName } from './icon.tsx'
import { imagesAsked, shownState, type Shown, type Subject } from './shown-state.ts'

interface Appearance {
  readonly word: string
  readonly colour: string
  readonly icon: IconName | readonly IconName[]
  readonly dashed?: boolean
  readonly turning?: boolean
}

const APPEARANCE: Readonly<Record<Shown, Appearance>> = {
  queued: { word: 'Queued', colour: 'two', icon: 'ring', dashed: true },
  running: { word: 'Running', colour: 'accent', icon: 'arc', turning: true },
  succeeded: { word: 'Succeeded', colour: 'ok', icon: ['ring', 'tick'] },
  part: { word: 'Part', colour: 'warn', icon: 'triangle' },
  failed: { word: 'Failed', colour: 'bad', icon: ['ring', 'cross'] },
  moderated: { word: 'Moderated', colour: 'shield', icon: 'shield' },
  outcome_unknown: { word: 'Outcome unknown', colour: 'two', icon: ['ring', 'question'], dashed: true },
  canceled: { word: 'Canceled', colour: 'two', icon: ['ring', 'dash'] },
  ineligible: { word: 'Cannot', colour: 'bad', icon: ['ring', 'cross'] },
}

export const stateWord = (generation: Subject): string => {
  const shown = shownState(generation)
  return shown === 'part' ? `${generation.images.length} of ${imagesAsked(generation)} images` : APPEARANCE[shown].word
}

export function State({ shown, word, quiet = false }: { readonly shown: Shown; readonly word?: string; readonly quiet?: boolean }) {
  const { icon, colour, dashed = false, turning = false, word: usual } = APPEARANCE[shown]
  return (
    <span class={`state ${colour}`}>
      <Icon name={icon} dashed={dashed} turning={turning} />
      <span class={quiet ? 'hidden' : undefined}>{word ?? usual}</span>
    </span>
  )
}

/** Its icon alone, for a thumbnail's box; the word stands beside it. */
export function StateIcon({ shown }: { readonly shown: Shown }) {
  const { icon, colour, dashed = false, turning = false } = APPEARANCE[shown]
  return (
    <span class={colour}>
      <Icon name={icon} dashed={dashed} turning={turning} />
    </span>
  )
}
