/** Where a caller of OpenAI's API wrote what a request has under another name. */
export interface AsWritten {
  /** Width and height came as one `size`. */
  readonly hasSize: boolean
  /** So many of the first reference images came as the files of an edit. */
  readonly files: number
}

export const PLAIN: AsWritten = { hasSize: false, files: 0 }

/** A path of our request as the caller wrote it: `reference_images[0]`, `image[0]`, `size`. Null for the body as a whole. */
export function paramOf(path: readonly PropertyKey[], { hasSize, files }: AsWritten = PLAIN): string | null {
  const [root, ...rest] = path.map(String)
  if (root === undefined || root === '') return null
  if (hasSize && (root === 'width' || root === 'height')) return 'size'
  const isFile = root === 'reference_images' && files > 0 && Number(rest[0] ?? 0) < files
  return [isFile ? 'image' : root, ...rest.map((part) => (/^\d+$/.test(part) ? `[${part}]` : `.${part}`))].join('')
}

/** A sentence that begins with our path, as `paramOf` writes it. */
export function inOwnNames(text: string, path: string, written: AsWritten): string {
  const param = paramOf(path.split('.'), written)
  return param !== null && (text.startsWith(`${path}:`) || text.startsWith(`${path} `)) ? `${param}${text.slice(path.length)}` : text
}
