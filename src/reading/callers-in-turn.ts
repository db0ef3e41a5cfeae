/** What waits, of each caller; the callers in the order in which they have their turns. */
export class CallersInTurn<Waiting> {
  readonly #waiting = new Map<string, Set<Waiting>>()

  get isEmpty(): boolean {
    return this.#waiting.size === 0
  }

  has(caller: string, one: Waiting): boolean {
    return this.#waiting.get(caller)?.has(one) === true
  }

  add(caller: string, one: Waiting): void {
    this.#waiting.set(caller, (this.#waiting.get(caller) ?? new Set()).add(one))
  }

  /** Returns whether it waited. */
  delete(caller: string, one: Waiting): boolean {
    const own = this.#waiting.get(caller)
    const didWait = own?.delete(one) === true
    if (own?.size === 0) this.#waiting.delete(caller)
    return didWait
  }

  /** That which waited longest of the caller whose turn is longest ago, and waits no more: who has a hundred delays the hundred, and nobody else. */
  next(): Waiting | undefined {
    for (const [caller, own] of this.#waiting) {
      // The last of the callers from now on, if it has more.
      this.#waiting.delete(caller)
      const [one] = own
      if (one !== undefined) own.delete(one)
      if (own.size > 0) this.#waiting.set(caller, own)
      return one
    }
    return undefined
  }
}
