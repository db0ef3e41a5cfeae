/** What `doctor` found of one thing. */
export interface Finding {
  readonly check: string
  /** `bad` keeps the gateway from working; `note` is worth knowing. */
  readonly verdict: 'ok' | 'note' | 'bad'
  readonly detail: string
}
