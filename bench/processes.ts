import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Readable } from 'node:stream'

/** A server in a process of its own, so that its CPU can be read alone. */
export interface Served {
  readonly url: string
  readonly pid: number
  /** Everything it printed so far. */
  readonly printed: () => string
  /** Resolves once the process is gone. */
  readonly ended: Promise<unknown>
  stop(): void
}

/** Starts a script, given by its path from this folder or its full one, that prints its port or its address first. */
export async function serve(script: string, args: readonly string[] = [], env: Readonly<Record<string, string>> = {}): Promise<Served> {
  const child = spawn(process.execPath, [resolve(import.meta.dirname, script), ...args], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const chunks: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
  const line = await firstLine(child)
  const port = /127\.0\.0\.1:(\d+)/.exec(line)?.[1] ?? /^(\d+)$/.exec(line.trim())?.[1]
  if (!port || child.pid === undefined) throw new Error(`${script} did not print its port: ${line}`)
  return {
    url: `http://127.0.0.1:${port}`,
    pid: child.pid,
    printed: () => Buffer.concat(chunks).toString(),
    ended,
    stop: () => void child.kill('SIGTERM'),
  }
}

function firstLine(child: ChildProcess): Promise<string> {
  return new Promise((found, reject) => {
    let text = ''
    // It listens no longer than it has to: to search all that a server has logged, at each of its lines, would take longer than what is measured.
    child.stdout?.on('data', function read(this: Readable, chunk: Buffer) {
      text += chunk.toString()
      const end = text.indexOf('\n')
      if (end < 0) return
      this.off('data', read)
      found(text.slice(0, end))
    })
    child.on('exit', (code) => reject(new Error(`ended with ${code} before it listened`)))
  })
}

const TICKS_PER_SECOND = 100

/** User and system CPU of a process and its threads so far, in microseconds, from the kernel's own count (10 ms grain). */
export function cpuMicroseconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return ((Number(fields[11]) + Number(fields[12])) * 1_000_000) / TICKS_PER_SECOND
}

/** Resident memory in bytes. */
export function residentBytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1024
}

export const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
