import type { Comparison, ComparisonRow } from '#contract'
import { COMPARISON_HEAD, comparisonCells } from './comparison-report.ts'
import { progressBar, SPINNER } from './progress.ts'
import { table } from './table.ts'
import type { Terminal } from './terminal.ts'

/** Shows a comparison as it comes along: one table drawn again and again for a person, a line for each change for a log. */
export interface WatchedComparison {
  update(comparison: Comparison): void
  /** Lets go of the terminal; what was drawn is wiped away. */
  end(): void
}

const REDRAW_MS = 100
const BAR_WIDTH = 12

export function watchComparison(terminal: Terminal, first: Comparison): WatchedComparison {
  return terminal.isInteractive ? liveTable(terminal, first) : lines(terminal, first)
}

function lines(terminal: Terminal, first: Comparison): WatchedComparison {
  const printed = new Map<string, string>()
  const update = ({ summary }: Comparison) => {
    for (const row of summary) {
      const [, status = '', time, , cost] = comparisonCells(row)
      const text = row.total_ms === null ? status : `${status}, ${time}, ${cost}`
      if (printed.get(row.provider) !== text) terminal.err(`${row.provider}: ${text}`)
      printed.set(row.provider, text)
    }
  }
  update(first)
  return { update, end() {} }
}

function liveTable(terminal: Terminal, first: Comparison): WatchedComparison {
  const startedAt = performance.now()
  let shown = first
  let frame = 0
  let drawn = 0
  const wipe = () => {
    if (drawn > 0) terminal.draw(`\u001b[${drawn}A\u001b[0J`)
    drawn = 0
  }
  const draw = () => {
    const text = liveText(shown, frame, performance.now() - startedAt, terminal.columns)
    terminal.draw(`${drawn > 0 ? `\u001b[${drawn}A` : ''}${text.map((line) => `\u001b[2K${line}\n`).join('')}`)
    drawn = text.length
    frame += 1
  }
  const timer = setInterval(draw, REDRAW_MS)
  draw()
  return {
    update(comparison) {
      shown = comparison
    },
    end() {
      clearInterval(timer)
      draw()
      wipe()
    },
  }
}

/** The table's lines as they are at this moment, none longer than the terminal is wide. */
export function liveText({ summary, generations }: Comparison, frame: number, elapsedMs: number, columns: number): readonly string[] {
  const rows = summary.map((row) => {
    const progress = generations.find(({ id }) => id === row.generation_id)?.progress ?? null
    const isOpen = row.status === 'queued' || row.status === 'running'
    const [provider = '', ...rest] = comparisonCells(row, isOpen ? elapsedMs : null)
    return [signOf(row, frame), provider, isOpen ? progressBar(progress, frame, BAR_WIDTH) : '', ...rest]
  })
  const [provider, ...rest] = COMPARISON_HEAD
  return table(['', provider, ' '.repeat(BAR_WIDTH), ...rest], rows)
    .split('\n')
    .map((line) => line.slice(0, Math.max(20, columns - 1)))
}

function signOf({ status }: ComparisonRow, frame: number): string {
  switch (status) {
    case 'succeeded':
      return '✔'
    case 'failed':
    case 'canceled':
      return '✖'
    case 'ineligible':
      return '–'
    case 'queued':
    case 'running':
      return SPINNER[frame % SPINNER.length] ?? ''
  }
}
