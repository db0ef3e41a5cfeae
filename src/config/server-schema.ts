import { z } from 'zod'
import { TrustProxy } from './limits-schema.ts'

/** `https://app.example.com`, with a port where it is not the scheme's own. */
const WebOrigin = z.string().refine((text) => URL.parse(text)?.origin === text && /^https?:/.test(text), {
  error: 'write scheme, host and port of one web page, without a path: "https://app.example.com"',
})

export const Server = z
  .strictObject({
    host: z.string().min(1).optional().meta({ description: 'Address to listen on; HOST wins over it. Default 127.0.0.1.' }),
    port: z.number().int().min(0).max(65_535).optional().meta({ description: 'PORT wins over it; 0 takes a free one. Default 8080.' }),
    public_url: z
      .url({ protocol: /^https?$/ })
      .refine((text) => !/@/.test(text.replace(/^[a-z]+:\/\/([^/?#]*).*$/is, '$1')), {
        error: 'write it without a user name and a password: it stands in every link',
      })
      .optional()
      .meta({ description: 'Under which callers reach this gateway; links and webhooks use it. Default: the listening address.' }),
    body_limit_bytes: z
      .number()
      .int()
      .min(1024)
      .optional()
      .meta({ description: 'Largest request body; reference images travel in it. Default 67108864.' }),
    trust_proxy: TrustProxy.optional(),
    cors: z
      .strictObject({
        origins: z
          .array(WebOrigin)
          .optional()
          .meta({ description: 'Browser origins that may call, scheme and host: "https://app.example.com". Default: none.' }),
      })
      .optional()
      .meta({ description: 'Which web pages of other origins may call the gateway.' }),
  })
  .meta({ description: 'Where the gateway listens. A change needs a restart, but for trust_proxy.' })
