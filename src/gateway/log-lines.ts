import { write, writeSync } from 'node:fs'

/** How long the write of an earlier turn, which another thread makes, is given to end before the last lines follow it. */
const LAST_WRITE_MS = 50
/** Of a reader who takes nothing for a moment. */
const ASK_AGAIN_MS = 100
/** What waits for a slow reader. What comes beyond it is dropped, and counted. */
const MOST_WAITING = 8 * 1_048_576

/** What waits for its turn to be written, over all logs of this process. */
const waiting = new Set<LogLines>()

/**
 * Lines of one turn of the event loop leave in one write, and before the next turn: under load, a write for each line is a
 * good part of the CPU of a generation.
 *
 * A log that cannot be written ends nothing and holds up nothing: a reader that is gone is written to no more, and what a full
 * disk refuses is dropped. pino's own destination throws there, and at the exit of the process it tries for ever.
 */
export class LogLines {
  readonly #fileDescriptor: number
  #text = ''
  #dropped = 0
  #isWriting = false
  #isGone = false

  /** @param fileDescriptor 1 for the standard output, 2 for the standard error */
  constructor(fileDescriptor: 1 | 2) {
    this.#fileDescriptor = fileDescriptor
  }

  write(line: string): void {
    if (this.#isGone) return
    if (this.#text.length > MOST_WAITING) {
      this.#dropped++
      return
    }
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
      writeSync(this.#fileDescriptor, this.#take())
    } catch {
      // Nobody reads it any more, or its disk is full.
    }
  }

  #send(): void {
    if (this.#isWriting || this.#text === '') return
    this.#isWriting = true
    this.#writeBytes(Buffer.from(this.#take()))
  }

  #writeBytes(bytes: Buffer): void {
    write(this.#fileDescriptor, bytes, (error, written) => {
      if (error?.code === 'EAGAIN') return void setTimeout(() => this.#writeBytes(bytes), ASK_AGAIN_MS).unref()
      if (error === null && written < bytes.length) return this.#writeBytes(bytes.subarray(written))
      this.#isWriting = false
      if (error?.code === 'EPIPE') return this.#stop()
      if (error !== null) this.#dropped += bytes.toString().split('\n').length - 1
      this.#send()
    })
  }

  /** Nobody reads it any more. */
  #stop(): void {
    this.#isGone = true
    this.#text = ''
    waiting.delete(this)
  }

  #take(): string {
    const text = this.#gap() + this.#text
    this.#text = ''
    waiting.delete(this)
    return text
  }

  #gap(): string {
    if (this.#dropped === 0) return ''
    const msg = `${this.#dropped} lines of the log were dropped, as they could not be written`
    this.#dropped = 0
    return `${JSON.stringify({ level: 40, time: Date.now(), pid: process.pid, msg })}\n`
  }
}

process.on('exit', () => {
  for (const lines of waiting) lines.writeNow()
})
