/** What the browser keeps. One that keeps nothing (a private window, a strict setting) only forgets. */
export function kept(store: 'local' | 'session', name: string): string | null {
  try {
    return storage(store).getItem(`imagegate.${name}`)
  } catch {
    return null
  }
}

export function keep(store: 'local' | 'session', name: string, value: string | null): void {
  try {
    if (value === null) storage(store).removeItem(`imagegate.${name}`)
    else storage(store).setItem(`imagegate.${name}`, value)
  } catch {
    // Nothing is kept; nothing else changes.
  }
}

const storage = (store: 'local' | 'session'): Storage => (store === 'local' ? localStorage : sessionStorage)

/** JSON that this page wrote earlier; the other value where there is none or it cannot be read. */
export function keptJson<Value>(store: 'local' | 'session', name: string, otherwise: Value): Value {
  try {
    const text = kept(store, name)
    return text === null ? otherwise : (JSON.parse(text) as Value)
  } catch {
    return otherwise
  }
}
