import { hostHeaderValidation, originValidation } from '@modelcontextprotocol/fastify'
import { localhostAllowedHostnames } from '@modelcontextprotocol/server'
import type { FastifyInstance } from 'fastify'
import type { KeyRing } from '../../access.ts'

/**
 * Keeps web pages away from a gateway on their reader's own machine. Without keys the gateway listens on loopback only, and a page whose name was
 * rebound to 127.0.0.1 would otherwise be as good as a local program: then only local names, and that of the public URL, may be asked for.
 * With keys a page has no key, and the gateway may go by any name; a page of that same name may ask.
 */
export function guardAgainstRebinding(
  app: FastifyInstance,
  { keys, publicUrl }: { readonly keys: KeyRing; readonly publicUrl: () => string },
): void {
  app.addHook('onRequest', async (request, reply) => {
    const own = [...localhostAllowedHostnames(), ...hostnameOf(publicUrl())]
    const isOpen = !keys.isOn()
    if (isOpen) await hostHeaderValidation(own)(request, reply)
    if (reply.sent) return reply
    await originValidation(isOpen ? own : [...own, ...hostnameOf(`http://${request.headers.host ?? ''}`)])(request, reply)
    if (reply.sent) return reply
  })
}

const hostnameOf = (url: string): readonly string[] => (URL.canParse(url) ? [new URL(url).hostname] : [])
