import type { OpenGeneration } from './open-generation.ts'

/** The generations that are open, by id, with how many of them each gateway key has. */
export class OpenGenerations extends Map<string, OpenGeneration> {
  readonly #byKey = new Map<string | null, number>()

  override set(id: string, open: OpenGeneration): this {
    if (!this.has(id)) this.#count(open.record.key, 1)
    return super.set(id, open)
  }

  override delete(id: string): boolean {
    const open = this.get(id)
    if (open !== undefined) this.#count(open.record.key, -1)
    return super.delete(id)
  }

  ofKey(key: string | null): number {
    return this.#byKey.get(key) ?? 0
  }

  #count(key: string | null, change: 1 | -1): void {
    const count = this.ofKey(key) + change
    if (count > 0) this.#byKey.set(key, count)
    else this.#byKey.delete(key)
  }
}
