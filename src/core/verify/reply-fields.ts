import type { Json } from '#contract'

/** The path of every field of a JSON document; `*` stands for each entry of a list. */
export function fieldsOf(body: Json): ReadonlySet<string> {
  const found = new Set<string>()
  const walk = (value: Json, path: string): void => {
    if (typeof value !== 'object' || value === null) return
    for (const [name, part] of Object.entries<Json>(value as Record<string, Json>)) {
      const below = `${path}/${Array.isArray(value) ? '*' : name}`
      found.add(below)
      walk(part, below)
    }
  }
  walk(body, '')
  return found
}

/** Fields of a reply that none of the known replies has, the outermost alone of those that stand in one another. */
export function newFields(body: Json, known: ReadonlySet<string>): readonly string[] {
  const unknown = [...fieldsOf(body)].filter((path) => !known.has(path))
  return unknown.filter((path) => !unknown.some((other) => path.startsWith(`${other}/`)))
}
