import { useEffect, useState } from 'preact/hooks'
import { Compare } from './compare/compare.tsx'
import { Announcer } from './shell/announce.tsx'
import { GatewayKey } from './shell/gateway-key.tsx'
import { keyAsked, useProviders } from './shell/gateway.ts'
import { BottomBar, Header, LINKS } from './shell/header.tsx'
import { useKeys } from './shell/keys.ts'
import { lazy } from './shell/lazy.tsx'
import { useIsPhone } from './shell/media.ts'
import { Offline } from './shell/offline.tsx'
import { navigate, useLocation } from './shell/router.ts'
import { SandboxNote } from './shell/sandbox-note.tsx'
import { Shortcuts } from './shell/shortcuts.tsx'
import { useWatched } from './shell/watched.ts'

const Generations = lazy(async () => (await import('./generations/generations.tsx')).Generations)
const OneGeneration = lazy(async () => (await import('./generations/one-generation.tsx')).OneGeneration)
const Costs = lazy(async () => (await import('./costs/costs.tsx')).Costs)
const Providers = lazy(async () => (await import('./providers/providers.tsx')).Providers)

export function App() {
  const { path, query } = useLocation()
  const [showsKeys, setShowsKeys] = useState(false)
  const asked = useWatched(keyAsked)
  const isPhone = useIsPhone()
  const { sandbox } = useProviders()
  useKeys({
    '?': () => setShowsKeys(true),
    'g c': () => navigate('/'),
    'g g': () => navigate('/generations'),
    'g o': () => navigate('/costs'),
    'g p': () => navigate('/providers'),
  })
  useEffect(() => {
    const page = LINKS.find((link) => (link.path === '/' ? path === '/' : path.startsWith(link.path)))
    document.title = `${page?.name ?? 'Not found'} · imagegate`
  }, [path])
  return (
    <>
      <header>
        <a class="skip" href="#content" onClick={toContent}>
          To the content
        </a>
        <Header path={path} onShortcuts={() => setShowsKeys(true)} />
        {sandbox ? <SandboxNote /> : null}
      </header>
      <Offline />
      {asked === 'no' ? <Page path={path} query={query} /> : <GatewayKey wrong={asked === 'wrong'} />}
      {isPhone && asked === 'no' ? <BottomBar path={path} /> : null}
      {showsKeys ? <Shortcuts onClose={() => setShowsKeys(false)} /> : null}
      <Announcer />
    </>
  )
}

/** What somebody wrote into the address may be no encoding: then it is no generation's id either. */
function decoded(id: string): string {
  try {
    return decodeURIComponent(id)
  } catch {
    return id
  }
}

function Page({ path, query }: { readonly path: string; readonly query: string }) {
  const [, page = '', id] = path.split('/')
  if (page === '') return <Compare query={query} />
  if (page === 'generations') return id === undefined ? <Generations query={query} /> : <OneGeneration key={id} id={decoded(id)} />
  if (page === 'costs') return <Costs query={query} />
  if (page === 'providers') return <Providers />
  return (
    <main id="content">
      <h1 class="title">Nothing is here</h1>
      <a href="/">To Compare</a>
    </main>
  )
}

function toContent(event: Event): void {
  event.preventDefault()
  const main = document.querySelector('main')
  main?.setAttribute('tabindex', '-1')
  main?.focus()
}
