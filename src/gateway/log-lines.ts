import { writeSync } from 'node:fs'
import { pino } from 'pino'

/** What waits for its turn to be written, over all logs of this process. */
const waiting = new Set<LogLines>()

/**
 * Lines of one turn of the event loop leave in one write, and before the next turn: under load, a write for each line is a
 * good part of the CPU of a generation.
 */
export class LogLines {
  readonly #fileDescriptor: number
  readonly #destination: ReturnType<typeof pino.destination>
  #text = ''

  /** @param fileDescriptor 1 for the standard output, 2 for the standard error */
  constructor(fileDescriptor: 1 | 2) {
    this.#fileDescriptor = fileDescriptor
    this.#destination = pino.destination({ dest: fileDescriptor, sync: false })
  }

  write(line: string): void {
    if (this.#text === '') {
      waiting.add(this)
      setImmediate(() => this.#send())
    }
    this.#text += line
  }

  /** At the exit of the process no turn follows. */
  writeNow(): void {
    try {
      this.#destination.flushSync()
      writeSync(this.#fileDescriptor, this.#take())
    } catch {
      // Nobody reads it any more.
    }
  }

  #send(): void {
    const text = this.#take()
    if (text !== '') this.#destination.write(text)
  }

  #take(): string {
    const text = this.#text
    this.#text = ''
    waiting.delete(this)
    return text
  }
}

process.on('exit', () => {
  for (const lines of waiting) lines.writeNow()
})
