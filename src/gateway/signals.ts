/** Signals that a running server answers without ending. */
export interface ReloadSignals {
  /** What SIGHUP does from now on; one that came before is answered at once. */
  onHangUp(reload: () => Promise<void>): void
}

/**
 * Answers SIGHUP with a reload, and takes no notice of SIGUSR2, which log rotators send: logs go to standard output, so there is no file to
 * open again. Node.js ends a process at either signal unless it is listened for, so this is called before anything slow.
 */
export function receiveReloadSignals(): ReloadSignals {
  let reload: (() => Promise<void>) | null = null
  let cameEarly = false
  process.on('SIGHUP', () => {
    if (reload === null) cameEarly = true
    else void reload()
  })
  process.on('SIGUSR2', () => {})
  return {
    onHangUp(answer) {
      reload = answer
      if (cameEarly) void reload()
    },
  }
}
