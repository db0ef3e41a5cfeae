/** Under which address callers reach this gateway. */
export interface PublicAddress {
  /** Without a trailing slash; empty until the gateway listens where no `public_url` is configured. */
  current(): string
  /** The address it listens at, which stands in where none is configured. */
  listensAt(url: string): void
}

export function createPublicAddress(configured: string | null): PublicAddress {
  let url = configured ?? ''
  return {
    current: () => url,
    listensAt(listening) {
      url ||= listening
    },
  }
}
