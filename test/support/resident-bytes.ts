import { readFileSync, writeFileSync } from 'node:fs'

/** Resident memory of a process, in bytes, as the kernel counts it. */
export function residentBytes(pid: number): number {
  const kilobytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1_024
}

/** The most bytes that a process had resident at any moment of some work: the kernel's own high-water mark. */
export async function mostResidentBytes(pid: number, work: () => Promise<unknown>): Promise<number> {
  // 5 sets the mark back: proc(5).
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
  await work()
  const kilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Number(kilobytes) * 1_024
}
