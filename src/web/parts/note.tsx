import type { ComponentChildren } from 'preact'
import { Icon, type IconName } from './icon.tsx'

interface NoteProps {
  readonly kind: 'plain' | 'amber' | 'red'
  readonly icon?: IconName | readonly IconName[]
  readonly children: ComponentChildren
  /** Said at once by a screen reader. */
  readonly alert?: boolean
}

export function Note({ kind, icon, children, alert = false }: NoteProps) {
  return (
    <div class={`note ${kind}`} role={alert ? 'alert' : undefined}>
      <Icon name={icon ?? (kind === 'red' ? ['ring', 'cross'] : kind === 'amber' ? 'triangle' : 'ring')} />
      <div>{children}</div>
    </div>
  )
}
