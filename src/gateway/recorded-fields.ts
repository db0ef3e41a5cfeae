import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Json } from '#contract'
import { PROVIDERS_DIRECTORY } from '../catalogue/catalogue.ts'
import { fieldsOf } from '../core/verify/reply-fields.ts'

/** The fields of all replies of the recorded cases; null where none are installed. */
export function knownFields(provider: string): ReadonlySet<string> | null {
  const folder = join(PROVIDERS_DIRECTORY, provider, 'cases')
  if (!existsSync(folder)) return null
  const read = (name: string) =>
    JSON.parse(readFileSync(join(folder, name), 'utf8')) as {
      readonly steps: readonly { readonly reply: { readonly body?: Json; readonly raw?: string } }[]
    }
  const bodies = readdirSync(folder).flatMap((name) => read(name).steps.map(({ reply }) => reply.body ?? bodyIn(reply.raw)))
  return new Set(bodies.flatMap((body) => [...fieldsOf(body)]))
}

function bodyIn(raw: string | undefined): Json {
  try {
    return JSON.parse(raw ?? 'null') as Json
  } catch {
    return null
  }
}
