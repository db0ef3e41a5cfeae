import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ProblemDetails } from './http-problem.ts'
import { pathOf } from './known-routes.ts'

/** How errors leave below a path: a compatible API says them in its own shape. */
export interface ErrorShape {
  readonly prefix: string
  send(reply: FastifyReply, details: ProblemDetails): FastifyReply
}

/** The shape of a request's errors, also where no route was found for it; undefined where they are problem documents. */
export function shapeOf(request: Pick<FastifyRequest, 'url'>, shapes: readonly ErrorShape[]): ErrorShape | undefined {
  const path = pathOf(request)
  return shapes.find(({ prefix }) => path === prefix || path.startsWith(`${prefix}/`))
}
