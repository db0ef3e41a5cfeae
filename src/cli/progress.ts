import { isTerminal, type Generation } from '#contract'
import type { Terminal } from './terminal.ts'

/** Shows how generations come along: one redrawn line each for a person, one line per change for a log. */
export interface Progress {
  update(name: string, generation: Generation): void
  /** Draws the last state and lets go of the terminal. */
  end(): void
}

const REDRAW_MS = 100
const BAR_WIDTH = 24
export const SPINNER = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const

export function showProgress(terminal: Terminal, names: readonly string[]): Progress {
  return terminal.isInteractive ? bars(terminal, names) : lines(terminal)
}

function lines(terminal: Terminal): Progress {
  const printed = new Map<string, string>()
  return {
    update(name, generation) {
      const state = stateOf(generation)
      if (printed.get(name) !== state) terminal.err(`${name}: ${state}`)
      printed.set(name, state)
    },
    end() {},
  }
}

function bars(terminal: Terminal, names: readonly string[]): Progress {
  const states = new Map<string, Generation>()
  const startedAt = performance.now()
  const width = Math.max(...names.map((name) => name.length))
  let frame = 0
  let drawn = 0
  const draw = () => {
    const rows = names.map((name) => row(name.padEnd(width), states.get(name), frame, performance.now() - startedAt, terminal.columns))
    terminal.draw(`${drawn > 0 ? `\u001b[${drawn}A` : ''}${rows.map((text) => `\u001b[2K${text}\n`).join('')}`)
    drawn = rows.length
    frame += 1
  }
  const timer = setInterval(draw, REDRAW_MS)
  draw()
  return {
    update(name, generation) {
      states.set(name, generation)
    },
    end() {
      clearInterval(timer)
      draw()
    },
  }
}

function row(name: string, generation: Generation | undefined, frame: number, elapsedMs: number, columns: number): string {
  const ended = generation !== undefined && isTerminal(generation.status)
  const sign = ended ? (generation.status === 'succeeded' ? '✔' : '✖') : (SPINNER[frame % SPINNER.length] ?? '')
  const ms = ended ? (generation.timing.total_ms ?? elapsedMs) : elapsedMs
  const text = `${sign} ${name}  ${progressBar(ended ? 1 : (generation?.progress ?? null), frame)}  ${(ms / 1000).toFixed(1)} s  ${generation ? stateOf(generation) : 'asking'}`
  return text.slice(0, Math.max(20, columns - 1))
}

/** A share where the provider reports one, else a block that wanders. */
export function progressBar(share: number | null, frame: number, width: number = BAR_WIDTH): string {
  if (share !== null) return '█'.repeat(Math.round(share * width)).padEnd(width, '░')
  const at = frame % (width - 3)
  return `${'░'.repeat(at)}███`.padEnd(width, '░')
}

function stateOf({ status, provider, progress, error }: Generation): string {
  const where = provider === null ? '' : ` at ${provider}`
  const share = progress === null || status !== 'running' ? '' : `, ${Math.round(progress * 100)} %`
  return `${status}${where}${share}${error === null ? '' : ` (${error.code})`}`
}
