/** What one client bought, got and knew, for the images that were asked of it. */
export interface Counted {
  readonly client: string
  readonly provider: string
  readonly asked: number
  /** How many images the vendor accepted and charged. */
  readonly bought: number
  readonly delivered: number
  /** Charged images whose charge the client shows, and those it names as perhaps charged. */
  readonly priced: number
  readonly named: number
}

export interface Row extends Counted {
  readonly seconds: number
  /** Words of the client's errors, and how often each came. */
  readonly errors: Readonly<Record<string, number>>
}

/** The kept rows, each replaced where it was measured again; of a client that had none, at the end. */
export function merged(kept: readonly Counted[], measured: readonly Row[]): readonly Counted[] {
  const rows = new Map(kept.map((row) => [`${row.client} ${row.provider}`, row]))
  for (const { seconds: _seconds, errors: _errors, ...row } of measured) rows.set(`${row.client} ${row.provider}`, row)
  return [...rows.values()]
}

const lost = ({ bought, delivered, named }: Counted): number => Math.max(0, bought - delivered - named)

export function table(rows: readonly Counted[]): string {
  const head = [
    '| provider | client | asked | bought | delivered | charged, not delivered, named | charged, and no word of it | charges that the client can show |',
    '|---|---|---:|---:|---:|---:|---:|---:|',
  ]
  const cells = (row: Counted) => [
    row.provider,
    row.client === 'imagegate' ? '**imagegate**' : row.client,
    row.asked,
    row.bought,
    row.delivered,
    row.named,
    lost(row),
    `${row.priced + row.named} of ${row.bought}`,
  ]
  return [...head, ...rows.map((row) => `| ${cells(row).join(' | ')} |`)].join('\n')
}

const [WIDTH, LEFT, BAR, GAP] = [860, 250, 18, 10]

const LEGEND = [
  ['#2e7d4f', 'delivered', 0],
  ['#c9962b', 'charged, not delivered, named as such', 90],
  ['#b3362b', 'charged, and no word of it', 330],
] as const

/** The same as a chart: one bar for each client, as long as what it bought. */
export function chart(rows: readonly Counted[]): string {
  const most = Math.max(...rows.map(({ bought, asked }) => Math.max(bought, asked)))
  const scale = (count: number) => Math.round((count / most) * (WIDTH - LEFT - 70) * 10) / 10
  const height = rows.length * (BAR + GAP) + 70
  const bars = rows.map((row, index) => {
    const y = 40 + index * (BAR + GAP)
    const counts = [row.delivered, row.named, lost(row)]
    let x = LEFT
    const drawn = LEGEND.map(([color], part) => {
      const count = counts[part] ?? 0
      const rect = `<rect x="${x}" y="${y}" width="${scale(count)}" height="${BAR}" fill="${color}"/>`
      x += scale(count)
      return rect
    })
    const name = `<text x="${LEFT - 8}" y="${y + 13}" text-anchor="end"${row.client === 'imagegate' ? ' font-weight="700"' : ''}>${row.client} · ${row.provider}</text>`
    return `${name}${drawn.join('')}<text x="${x + 6}" y="${y + 13}">${row.bought}</text>`
  })
  const asked = LEFT + scale(rows[0]?.asked ?? 0)
  const legend = LEGEND.map(([color, words, at]) => {
    const x = LEFT + at
    return `<rect x="${x}" y="10" width="12" height="12" fill="${color}"/><text x="${x + 17}" y="20">${words}</text>`
  })
  const line = `<line x1="${asked}" x2="${asked}" y1="32" y2="${height - 24}" stroke="#555" stroke-dasharray="3 3"/><text x="${asked}" y="${height - 8}" text-anchor="middle">asked: ${rows[0]?.asked}</text>`
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="12" fill="#222"><rect width="100%" height="100%" fill="#fff"/>${legend.join('')}${bars.join('')}${line}</svg>\n`
}
