import type { Readable, Transform } from 'node:stream'

/**
 * A body that `stream` reads on its way to whoever parses it. A stream that is piped takes over neither the error of its source nor that the
 * source broke off, and an error that nobody listens to ends the process: a body that breaks off ends here too, so that nobody waits for it.
 * @param request the body as it comes from the client
 */
export function passedThrough(stream: Transform, body: Readable, request: Readable): Transform {
  stream.on('error', () => {})
  // The request itself says that it broke off only to who listens, and that is no error of anybody's.
  if (body !== request) body.once('error', (error) => stream.destroy(error))
  request.once('close', () => {
    if (!request.readableEnded) stream.destroy()
  })
  return body.pipe(stream)
}
