import type { FastifyBaseLogger } from 'fastify'
import { formatProblem } from '../config/problem.ts'
import type { ConfigProblem } from '../config/problem.ts'
import type { Reloaded } from '../config/watch.ts'

/** Logs what is worth a warning in a configuration that is accepted. */
export const logWarnings = (log: FastifyBaseLogger, problems: readonly ConfigProblem[]): void =>
  problems.forEach((problem) => log.warn(formatProblem(problem)))

/** Logs what became of a configuration that was read again. */
export function reportReload(log: FastifyBaseLogger, reloaded: Reloaded): void {
  switch (reloaded.kind) {
    case 'refused':
      log.error({ problems: reloaded.problems.map(formatProblem) }, 'the changed configuration is refused; the old one stays in force')
      return
    case 'unchanged':
      log.info('the configuration was read again and has not changed')
      return
    case 'swapped':
      logWarnings(log, reloaded.warnings)
      log.info(reloaded.needRestart.length > 0 ? { waits_for_restart: reloaded.needRestart } : {}, 'the changed configuration is in force')
  }
}
