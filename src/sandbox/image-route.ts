import { deliveryOf, extensionOf, isLinkAlive } from './delivery.ts'
import type { Route } from './server.ts'
import type { TaskStore } from './task-store.ts'
import type { Kit, Wire } from './wire.ts'

interface ImageRouteOptions<Facts, Answer> {
  readonly wire: Wire<Facts, Answer>
  readonly store: TaskStore<Facts>
  readonly kit: Pick<Kit<Facts>, 'draw'>
  readonly typicalMs: number
}

/** Where links lead: real bytes without a key, as at a vendor's delivery host, or what the task's story makes of them. */
export function imageRoute<Facts, Answer>({ wire, store, kit, typicalMs }: ImageRouteOptions<Facts, Answer>): Route {
  const fetched = new Map<string, { count: number; readonly firstAt: number }>()
  const { path, query, dead } = wire.delivery
  return {
    method: 'GET',
    path: `${path}/:file`,
    async answer({ params, query: brought }) {
      const now = Date.now()
      const [id = '', ending] = (params['file'] ?? '').split('.')
      const found = store.findImage(id)
      if (!found || extensionOf(found.image.format, wire.delivery.jpegExtension) !== ending) return wire.replies['not-found']
      if (!isLinkAlive(found.task, found.image, now)) return dead
      const needed = Object.entries(query?.(found.task, found.image) ?? {})
      if (needed.some(([name, value]) => brought[name] !== value)) return dead
      const earlier = fetched.get(id) ?? { count: 0, firstAt: now }
      if (found.task.play) fetched.set(id, earlier)
      const fetch = { count: earlier.count, sinceFirstMs: now - earlier.firstAt }
      earlier.count += 1
      return deliveryOf(found.task, found.image.format, await kit.draw(found.task, found.image), fetch, typicalMs)
    },
  }
}
