import type { Store } from '../core/ports.ts'
import type { Money } from './sqlite/keep-apart.ts'
import { openStore } from './sqlite/store.ts'

/** Where a gateway keeps its rows. */
export type StoreLocation =
  | { readonly kind: 'folder'; readonly directory: string }
  /** `postgres://…`; may hold a password. */
  | { readonly kind: 'postgres'; readonly url: string }

export interface StoreUse {
  readonly onLost?: (error: unknown) => void
  /** Whose request something is done for, a gateway key; '' where it is nobody's. */
  readonly whoseRequest?: () => string
}

/**
 * The store at a location, for this process alone.
 * @param money whose rows are written: those of a sandbox, which keeps to its own folder, or of real providers
 * @param use.onLost as of `openStore`
 * @throws StoreError as `openStore` and `openPostgresStore`
 */
export async function openStoreAt(location: StoreLocation, money: Money, { onLost, whoseRequest }: StoreUse = {}): Promise<Store> {
  switch (location.kind) {
    case 'folder':
      return openStore({ directory: location.directory, money, onLost })
    case 'postgres': {
      // A start without it loads nothing of it.
      const { openPostgresStore } = await import('./postgres/store.ts')
      return openPostgresStore(location.url, whoseRequest === undefined ? {} : { whoseRequest })
    }
  }
}
