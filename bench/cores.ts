import { execFileSync } from 'node:child_process'
import { availableParallelism } from 'node:os'
import type { Served } from './processes.ts'

/**
 * Keeps the servers that are compared on one core, and `others` on another: of two cores of a virtual machine one may be half as
 * fast for minutes, and a process stays where it began. Two processes of one checkout differed by a quarter without it, and by a tenth with it.
 * This process stays free, since what it starts later would begin where it is kept. Where there is no `taskset`, or one core alone, nothing is kept.
 */
export function keepOnCores(compared: readonly Pick<Served, 'pid'>[], others: readonly Pick<Served, 'pid'>[]): void {
  const last = availableParallelism() - 1
  if (last === 0) return
  for (const { pid } of compared) keepOn(last, pid)
  for (const { pid } of others) keepOn(0, pid)
}

function keepOn(core: number, pid: number): void {
  try {
    execFileSync('taskset', ['--all-tasks', '--cpu-list', '--pid', String(core), String(pid)], { stdio: 'ignore' })
  } catch {
    // The figures differ more from run to run.
  }
}
