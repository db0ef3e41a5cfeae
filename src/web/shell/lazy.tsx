import type { ComponentType } from 'preact'
import { useEffect, useState } from 'preact/hooks'

/** A page whose code is loaded when it is first shown. */
export function lazy<Props extends object>(load: () => Promise<ComponentType<Props>>): ComponentType<Props> {
  let loaded: ComponentType<Props> | null = null
  return function Lazy(props: Props) {
    const [Page, setPage] = useState<ComponentType<Props> | null>(() => loaded)
    const [failed, setFailed] = useState(false)
    useEffect(() => {
      if (Page !== null) return
      const show = async () => {
        loaded = await load()
        setPage(() => loaded)
      }
      show().catch(() => setFailed(true))
    }, [Page])
    if (failed)
      return (
        <main id="content">
          <p>
            This page could not be loaded.{' '}
            <a href={location.pathname} target="_self">
              Load it again
            </a>
          </p>
        </main>
      )
    return Page === null ? <main id="content" aria-busy="true" /> : <Page {...props} />
  }
}
