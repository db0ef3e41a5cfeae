/** Who waits for a turn with others of its kind: a key’s lists and reports wait for each other, and for one of another key at a time. */
export const turnOf = ({ key }: { readonly key?: string | null | undefined }): string =>
  typeof key === 'string' ? `reading of ${key}` : 'reading'
