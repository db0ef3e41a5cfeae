import { CatalogueError } from '../catalogue/catalogue.ts'
import { AssetError, StoreError } from '../core/ports.ts'
import { belongsToAnother } from '../store/owner.ts'

const ENDS_WITHIN_MS = 5_000

/** The operator can correct why the gateway does not start; the message lists every problem, each with its remedy. */
export class StartRefused extends Error {
  /** What the operator can correct becomes one in words, without a stack; anything else is a defect and stays as it is. */
  static readonly inWords = inWords

  /** Says why on standard error. The process ends within seconds, whatever is still open: a supervisor waits for its end. */
  endProcess(): void {
    process.stderr.write(`imagegate cannot start:\n${this.message}\n`)
    process.exitCode = 1
    setTimeout(() => process.exit(), ENDS_WITHIN_MS).unref()
  }
}

function inWords(error: unknown): unknown {
  if (error instanceof StoreError || error instanceof AssetError || error instanceof CatalogueError) {
    return new StartRefused(error.message, { cause: error })
  }
  if (!isSystemError(error)) return error
  const message = error.syscall === 'listen' || error.syscall === 'getaddrinfo' ? ofAddress(error) : ofFile(error)
  return message === null ? error : new StartRefused(message, { cause: error })
}

interface SystemError extends Error {
  readonly code: string
  readonly syscall: string
  readonly path?: string
}

const isSystemError = (error: unknown): error is SystemError =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' && 'syscall' in error

function ofAddress({ code, message }: SystemError): string {
  switch (code) {
    case 'EADDRINUSE':
      return `another process listens on this address (${message}); stop it, or choose another port with PORT`
    case 'EACCES':
      return `this user may not listen on this port (${message}); choose one above 1023 with PORT`
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `this machine has no such address (${message}); correct HOST`
    case 'EMFILE':
    case 'ENFILE':
      return tooManyFiles(code)
    default:
      return `the address cannot be listened on (${message}); choose another with HOST and PORT`
  }
}

function ofFile({ code, path, message }: SystemError): string | null {
  const what = path ?? message
  switch (code) {
    case 'ENOSPC':
    case 'EDQUOT':
      return `the disk is full: ${what} cannot be written (${code}); free some space, or set IMAGEGATE_DATA to another disk`
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${what} cannot be read or written by this user (${code}); correct its owner and permissions, or set IMAGEGATE_DATA to another folder${belongsToAnother(what)}`
    case 'ENOTDIR':
    case 'EEXIST':
      return `${what} is a file where a folder is needed (${code}); set IMAGEGATE_DATA to a folder`
    case 'EMFILE':
    case 'ENFILE':
      return tooManyFiles(code)
    case 'EFBIG':
      return `${what} would be larger than this process may write (${code}); raise the limit with ulimit -f`
    case 'EIO':
      return `the disk fails at ${what} (${code}); check it`
    default:
      // A path in a circle, a name that is too long, a kind of file system that takes no files.
      return path === undefined ? null : `${path} cannot be used (${code}); set IMAGEGATE_DATA to another folder`
  }
}

const tooManyFiles = (code: string): string => `too many files are open (${code}); raise the limit with ulimit -n`
