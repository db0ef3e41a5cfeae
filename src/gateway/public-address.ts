import { askedOrigin } from '../http/request-context.ts'

/** Under which address callers reach this gateway. */
export interface PublicAddress {
  /**
   * For links, without a trailing slash: the configured `public_url`; else, within a request, the host that it asked; else where it listens. Empty
   * before the gateway listens.
   */
  current(): string
  /** The same whoever asks: `public_url`, or where it listens. */
  own(): string
  /** The address it listens at, which stands in where none is configured. */
  listensAt(url: string): void
}

export function createPublicAddress(configured: string | null): PublicAddress {
  let listening = ''
  return {
    current: () => configured ?? askedOrigin() ?? listening,
    own: () => configured ?? listening,
    listensAt(url) {
      listening = url
    },
  }
}
