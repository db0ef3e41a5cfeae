/** Signals that a running server answers without ending. */
export interface ReloadSignals {
  /** What SIGHUP does from now on; one that came before is answered at once. */
  onHangUp(reload: () => Promise<void>): void
  /** Leaves both signals to Node.js again. */
  stop(): void
}

/**
 * Answers SIGHUP with a reload, and takes no notice of SIGUSR2, which log rotators send: logs go to standard output, so there is no file to
 * open again. Node.js ends a process at either signal unless it is listened for, so this is called before anything slow.
 */
export function receiveReloadSignals(): ReloadSignals {
  received ??= receive()
  return received
}

/** A process has one: what came before it was asked for is not lost. */
let received: ReloadSignals | null = null

function receive(): ReloadSignals {
  let reload: (() => Promise<void>) | null = null
  let cameEarly = false
  const onHangUp = () => {
    if (reload === null) cameEarly = true
    else void reload()
  }
  const ignore = () => {}
  process.on('SIGHUP', onHangUp)
  process.on('SIGUSR2', ignore)
  return {
    onHangUp(answer) {
      reload = answer
      if (cameEarly) void reload()
    },
    stop() {
      received = null
      process.off('SIGHUP', onHangUp)
      process.off('SIGUSR2', ignore)
    },
  }
}
