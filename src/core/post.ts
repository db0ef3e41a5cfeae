/** A body that is made while it is sent, so that it never stands in memory. */
export interface InPieces {
  readonly bytes: number
  /** From the beginning at each call. Fails where it can no longer be made. */
  readonly pieces: () => AsyncIterable<Uint8Array>
}

/** Sends a message to a URL that a caller gave, through the guard; follows no redirect. Nothing of a body in pieces is open behind it. Never throws. */
export type Post = (
  url: string,
  message: {
    /** Absent: POST. */
    readonly method?: 'POST' | 'PUT'
    readonly body: string | InPieces
    readonly headers: Readonly<Record<string, string>>
    readonly timeoutMs: number
  },
) => Promise<Posted>

export type Posted =
  | { readonly kind: 'status'; readonly status: number; readonly retryAfterMs: number | null }
  /** No answer; it may have arrived. */
  | { readonly kind: 'failed'; readonly reason: string }
  /** Not a public address, or not http(s); nothing was sent. `mayPass`: it is where a name leads at the moment. */
  | { readonly kind: 'refused'; readonly reason: string; readonly mayPass?: boolean }
