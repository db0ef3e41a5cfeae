import { writeSync } from 'node:fs'
import { pino } from 'pino'

/** How long the write of an earlier turn, which another thread makes, is given to end before the last lines follow it. */
const LAST_WRITE_MS = 50

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
  #isWriting = false

  /** @param fileDescriptor 1 for the standard output, 2 for the standard error */
  constructor(fileDescriptor: 1 | 2) {
    this.#fileDescriptor = fileDescriptor
    this.#destination = pino.destination({ dest: fileDescriptor, sync: false })
    this.#destination.on('drain', () => (this.#isWriting = false))
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
      if (this.#isWriting) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, LAST_WRITE_MS)
      this.#destination.flushSync()
      writeSync(this.#fileDescriptor, this.#take())
    } catch {
      // Nobody reads it any more.
    }
  }

  #send(): void {
    const text = this.#take()
    if (text === '') return
    this.#isWriting = true
    this.#destination.write(text)
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
