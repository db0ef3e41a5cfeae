/** Control characters would let a reply move the cursor or hide text; so would separators of lines, and what turns the direction of text. */
export const UNPRINTABLE = /(?![\n\t]|\r\n)[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu

export const printable = (text: string): string => text.replace(UNPRINTABLE, '\uFFFD')

/** Rows under a head, columns as wide as their widest cell. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = [head, ...rows].map((row) => row.map((cell) => printable(cell).replaceAll(/[\n\t]/g, ' ')))
  const widths = head.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]) =>
    widths
      .map((width, column) => (row[column] ?? '').padEnd(width))
      .join('  ')
      .trimEnd()
  const [first = [], ...rest] = cells
  return [line(first), widths.map((width) => '─'.repeat(width)).join('  '), ...rest.map(line)].join('\n')
}

/** Titled blocks of text beside each other where they fit, else below each other. */
export function sideBySide(blocks: readonly { readonly title: string; readonly text: string }[], columns: number): string {
  const gap = ' │ '
  const columnWidth = Math.floor((columns - gap.length * (blocks.length - 1)) / Math.max(1, blocks.length))
  if (columnWidth < 34) return blocks.map(({ title, text }) => `${title}\n${'─'.repeat(title.length)}\n${printable(text)}`).join('\n\n')
  const wrapped = blocks.map(({ title, text }) => [
    title,
    '─'.repeat(columnWidth),
    ...printable(text)
      .split('\n')
      .flatMap((line) => wrap(line, columnWidth)),
  ])
  const height = Math.max(...wrapped.map((lines) => lines.length))
  return Array.from({ length: height }, (_, row) =>
    wrapped
      .map((lines) => (lines[row] ?? '').padEnd(columnWidth))
      .join(gap)
      .trimEnd(),
  ).join('\n')
}

function wrap(line: string, width: number): readonly string[] {
  if (line.length <= width) return [line]
  const indent = ' '.repeat(Math.min(width - 10, line.length - line.trimStart().length + 2))
  return [line.slice(0, width), ...wrap(indent + line.slice(width), width)]
}

/** `412,345` */
export const thousands = (value: number): string => value.toLocaleString('en-US')

/** `5.3 s`, or `–` where it is not known. */
export const seconds = (ms: number | null): string => (ms === null ? '–' : `${(ms / 1000).toFixed(1)} s`)

/** `412 kB`, `3.1 MB` */
export const fileSize = (bytes: number): string =>
  bytes < 999_500 ? `${Math.max(1, Math.round(bytes / 1000))} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
