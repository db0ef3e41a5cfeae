/** Work that is done one after the other. What a piece of it ends is waited for by whoever asked for it, and by nobody who comes behind. */
export class OneByOne {
  #last: Promise<unknown> = Promise.resolve()
  /** What is ended by the piece that is being done. */
  #ending: Promise<unknown> = Promise.resolve()

  async do<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(async () => {
      this.#ending = Promise.resolve()
      return { done: await work(), ending: this.#ending }
    })
    this.#last = turn.catch(() => {})
    const { done, ending } = await turn
    await ending
    return done
  }

  ends(ending: readonly Promise<unknown>[]): void {
    this.#ending = Promise.all([this.#ending, ...ending])
  }
}
