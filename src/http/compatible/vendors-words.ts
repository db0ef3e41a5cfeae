import { withoutTrailing, type GenerationError } from '#contract'

/** What the vendor said of a failure; null where it said nothing, or where the text holds it already, as ours often does. */
export function vendorsWords({ provider_message: said }: Pick<GenerationError, 'provider_message'>, text: string): string | null {
  return said === null || said === '' || text.includes(withoutTrailing(said, '.')) ? null : said
}
