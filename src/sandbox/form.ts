import type { Fields } from './fields.ts'

/**
 * A form as fields: texts as they came, files as data URIs. A name that comes several times, or ends in `[]`, is a list.
 * @throws TypeError where the bytes are no form
 */
export async function formFields(bytes: Buffer, contentType: string): Promise<Fields> {
  const form = await new Response(Uint8Array.from(bytes), { headers: { 'content-type': contentType } }).formData()
  const fields: Record<string, unknown> = {}
  for (const name of new Set(form.keys())) {
    const values = await Promise.all(form.getAll(name).map(async (value) => (typeof value === 'string' ? value : dataUriOf(value))))
    fields[name] = values.length > 1 || name.endsWith('[]') ? values : values[0]
  }
  return fields
}

const dataUriOf = async (file: File): Promise<string> =>
  `data:${file.type};base64,${Buffer.from(await file.arrayBuffer()).toString('base64')}`
