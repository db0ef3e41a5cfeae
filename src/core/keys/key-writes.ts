import type { Store, UnitOfWork } from '../ports.ts'

/**
 * Writes what becomes of gateway keys, one thing after the other for each key. A use that is written behind a change would write back what the
 * key was before it: a revoked key would count again, and so would a secret that was rotated away.
 */
export class KeyWrites {
  readonly #store: Pick<Store, 'commit'>
  /** How many changes of a key wait or are being written. */
  readonly #changing = new Map<string, number>()
  /** The last use of a key while it is being written. */
  readonly #uses = new Map<string, Promise<void>>()

  constructor(store: Pick<Store, 'commit'>) {
    this.#store = store
  }

  /** Until its change is written, no use of a key may be. */
  isChanging(name: string): boolean {
    return this.#changing.has(name)
  }

  /** @param written takes the change over into what is in memory, before a use may be written again */
  async change(name: string, unit: UnitOfWork, written: () => void): Promise<void> {
    this.#changing.set(name, (this.#changing.get(name) ?? 0) + 1)
    try {
      await this.#uses.get(name)
      await this.#store.commit(unit)
      written()
    } finally {
      const others = (this.#changing.get(name) ?? 1) - 1
      if (others === 0) this.#changing.delete(name)
      else this.#changing.set(name, others)
    }
  }

  /** Not waited for; what fails is handed to `failed`. */
  use(name: string, unit: UnitOfWork, failed: (error: unknown) => void): void {
    const written = this.#store
      .commit(unit)
      .catch(failed)
      .finally(() => this.#uses.delete(name))
    this.#uses.set(name, written)
  }
}
