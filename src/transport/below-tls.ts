import { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import { constants } from 'node:crypto'
import { DEFAULT_CIPHERS } from 'node:tls'
import { readInTurns } from './read-in-turns.ts'

/**
 * How TLS is spoken with every server. Without the key exchanges whose numbers the server chooses: modulo one of 10,000 bits, OpenSSL computes for a
 * second or two, and servers of today have others. And it is agreed on once: before TLS 1.3 a server may ask to agree again, without end and with
 * other certificates.
 */
export const TLS_SETTINGS = { ciphers: `${DEFAULT_CIPHERS}:!kDHE`, secureOptions: constants.SSL_OP_NO_RENEGOTIATION } as const

/**
 * The most that a server sends until TLS stands. Signatures of its certificates are computed on the event loop, right or not, and one of 1.3 kB
 * can take 6 ms; Node takes 100 kB of them. A chain that is used has 3 to 8 kB.
 */
const MOST_BYTES = 12 * 1_024

/**
 * The connection that TLS is spoken on with a server that nobody vouches for. OpenSSL works through all that it is given in one go, and 64 KiB
 * can be thousands of new keys, tickets or records of a byte: it is given pieces, in turns with those of all other servers.
 */
export class BelowTls extends Duplex {
  readonly #socket: Socket
  #bytes = 0
  #isAgreed = false

  /** @param whose the server's turn it is when its bytes are read */
  constructor(socket: Socket, whose: string) {
    super({ highWaterMark: 64 * 1_024 })
    this.#socket = socket
    readInTurns(socket, whose)
    socket.on('readable', () => this.#pass())
    socket.once('end', () => this.push(null))
    socket.once('error', (error) => this.destroy(error))
    // One that has ended in order has more to be read here, perhaps, than was read so far.
    socket.once('close', () => void (socket.readableEnded || this.destroy()))
  }

  /** From now on it may send as much as it likes. */
  agreed(): void {
    this.#isAgreed = true
  }

  #pass(): void {
    for (;;) {
      const bytes = this.#socket.read() as Buffer | null
      if (bytes === null) return
      this.#bytes += bytes.length
      if (!this.#isAgreed && this.#bytes > MOST_BYTES) {
        this.destroy(new Error(`the server sent more than ${MOST_BYTES} bytes before TLS was agreed on`))
        return
      }
      if (!this.push(bytes)) return
    }
  }

  override _read(): void {
    this.#pass()
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    // What TLS says behind the end, which is little, reaches nobody; an error would take away what is not read yet.
    if (this.#socket.destroyed) callback()
    else this.#socket.write(bytes, (error) => callback(this.#socket.readableEnded ? null : error))
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#socket.destroyed) callback()
    else this.#socket.end(() => callback())
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    this.#socket.destroy()
    callback(error)
  }
}
