/** `not_an_image`, `too_large`: the source's fault. `storage`: ours (disk full, permissions). `stream`: it broke on the way. */
export class AssetError extends Error {
  readonly reason: 'not_an_image' | 'too_large' | 'storage' | 'stream'
  constructor(reason: AssetError['reason'], message: string, options: ErrorOptions = {}) {
    super(message, options)
    this.reason = reason
  }
}
