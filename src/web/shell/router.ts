import { useWatched, watched } from './watched.ts'

export interface Address {
  readonly path: string
  readonly query: string
}

const here = (): Address => ({ path: location.pathname.replace(/\/+$/, '') || '/', query: location.search })
const address = watched<Address>(here())
addEventListener('popstate', () => address.set(here()))

export const useLocation = (): Address => useWatched(address)

export function navigate(to: string, how: 'push' | 'replace' = 'push'): void {
  if (how === 'push') history.pushState(null, '', to)
  else history.replaceState(null, '', to)
  address.set(here())
}

const PAGES = /^\/(generations(\/[^/]+)?|costs|providers)?$/

/** Links to other pages change the page without loading it anew; every other link stays what it is. */
document.addEventListener('click', (event) => {
  const link = event.target instanceof Element ? event.target.closest('a') : null
  if (link === null || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return
  if (link.target !== '' || link.hasAttribute('download') || link.origin !== location.origin || !PAGES.test(link.pathname)) return
  event.preventDefault()
  const isOther = link.pathname !== location.pathname
  navigate(link.pathname + link.search)
  if (isOther) scrollTo(0, 0)
})
