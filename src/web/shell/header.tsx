import { useState } from 'preact/hooks'
import { Icon, type IconName } from '../parts/icon.tsx'
import { keep, kept } from './kept.ts'
import { useIsPhone } from './media.ts'

export const LINKS: readonly { readonly path: string; readonly name: string; readonly icon: IconName }[] = [
  { path: '/', name: 'Compare', icon: 'compare' },
  { path: '/generations', name: 'Generations', icon: 'list' },
  { path: '/costs', name: 'Costs', icon: 'dollar' },
  { path: '/providers', name: 'Providers', icon: 'plug' },
]

const isCurrent = (path: string, at: string): boolean => (path === '/' ? at === '/' : at === path || at.startsWith(`${path}/`))

export function Header({ path, onShortcuts }: { readonly path: string; readonly onShortcuts: () => void }) {
  const isPhone = useIsPhone()
  return (
    <div class="header">
      <a class="mark" href="/">
        <svg viewBox="0 0 16 20" aria-hidden="true">
          <path d="M1 4h14v12H1zM8 0v20" />
        </svg>
        imagegate
      </a>
      {isPhone ? null : (
        <nav aria-label="Pages">
          {LINKS.map(({ path: to, name }) => (
            <a key={to} href={to} aria-current={isCurrent(to, path) ? 'page' : undefined}>
              {name}
            </a>
          ))}
        </nav>
      )}
      <div class="tools">
        {isPhone ? null : (
          <button type="button" class="tool" aria-label="Keyboard shortcuts" onClick={onShortcuts}>
            <Icon name="keyboard" />
            <span class="kbd">?</span>
          </button>
        )}
        <Theme />
      </div>
    </div>
  )
}

export function BottomBar({ path }: { readonly path: string }) {
  return (
    <nav class="bottom" aria-label="Pages">
      {LINKS.map(({ path: to, name, icon }) => (
        <a key={to} href={to} aria-current={isCurrent(to, path) ? 'page' : undefined}>
          <Icon name={icon} />
          {name}
        </a>
      ))}
    </nav>
  )
}

const THEMES = ['automatic', 'light', 'dark'] as const
const THEME_ICONS = { automatic: 'half', light: 'sun', dark: 'moon' } as const

function Theme() {
  const [theme, setTheme] = useState<(typeof THEMES)[number]>(() => THEMES.find((name) => name === kept('local', 'theme')) ?? 'automatic')
  const next = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? 'automatic'
  const change = () => {
    keep('local', 'theme', next === 'automatic' ? null : next)
    if (next === 'automatic') delete document.documentElement.dataset['theme']
    else document.documentElement.dataset['theme'] = next
    setTheme(next)
  }
  return (
    <button type="button" class="tool" aria-label={`Theme: ${theme}. Change to ${next}`} title={`Theme: ${theme}`} onClick={change}>
      <Icon name={THEME_ICONS[theme]} />
    </button>
  )
}
