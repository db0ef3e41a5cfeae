import { describe, expect, test } from 'vitest'
import type { Call, ImageRef, Json, Outcome, Reply } from '#contract'
import {
  candidate,
  deepFrozen,
  failuresOf,
  isAskable,
  knownCalls,
  knownReplies,
  partAt,
  pathsIn,
  plainOrders,
  withPart,
} from '../support/examined.ts'
import { isManifestAlone, providerFolders } from '../support/installed-providers.ts'
import { objectionsTo } from '../support/legal-outcome.ts'

/**
 * What holds for every provider once a task may have been bought: a refused call ends nothing, what the vendor has said is kept, and
 * whatever a URL parser takes is a link.
 */
const candidates = await Promise.all(providerFolders().map((id) => candidate(id)))

const reply = (status: number, body: Json, headers: Record<string, string> = {}): Reply => ({ status, headers, body })

/** Bodies that speak of no task. */
const BODIES: readonly Json[] = [null, '', '<html>an error page</html>', {}, [], { message: 'no' }, { error: 'no' }, { detail: 'no' }]

/** What a refused poll is by its HTTP status; inside 200…299, what a body without meaning is. */
const REFUSALS: readonly (readonly [number, readonly string[]])[] = [
  [200, ['bad_reply', 'provider_rejected']],
  [204, ['bad_reply', 'provider_rejected']],
  [302, ['bad_reply']],
  [400, ['provider_rejected']],
  [401, ['provider_unauthorized']],
  [402, ['insufficient_credit']],
  [403, ['provider_unauthorized', 'insufficient_credit']],
  [404, ['outcome_unknown']],
  [408, ['provider_unavailable']],
  [410, ['outcome_unknown']],
  [422, ['provider_rejected']],
  [429, ['rate_limited']],
  [451, ['provider_rejected']],
  [500, ['provider_unavailable']],
  [502, ['provider_unavailable']],
  [503, ['provider_unavailable']],
  [504, ['provider_unavailable']],
  [520, ['provider_unavailable']],
]

const SENT_AT = 'Sat, 21 Nov 2026 10:00:00 GMT'

/** A Retry-After and the wait it asks for; null where it asks for none. */
const RETRY_AFTER: readonly (readonly [unknown, number | null])[] = [
  ['7', 7_000],
  ['0', 0],
  ['1.5', 1_500],
  ['-1', null],
  ['', null],
  ['soon', null],
  ['9000000', 9_000_000_000],
  ['9'.repeat(400), Number.MAX_SAFE_INTEGER],
  ['Sat, 21 Nov 2026 10:00:07 GMT', 7_000],
  ['Sat, 21 Nov 2026 09:00:00 GMT', 0],
  [['3', '5'], 5_000],
]

describe.each(candidates)('$id, after the purchase,', (examined) => {
  const { adapter } = examined
  const polls = knownCalls(examined, ['poll', 'recover'])
  const submits = knownCalls(examined, ['submit'])
  const answers = knownReplies(examined)
  /** Only a manifest alone may have none. */
  const hasCases = !isManifestAlone(examined.id)
  const interpret = (answer: Reply, call: Call): Outcome => {
    const outcome = adapter.interpret(deepFrozen(answer), deepFrozen(call))
    expect(objectionsTo(outcome), JSON.stringify({ outcome, answer, call })).toEqual([])
    return outcome
  }

  test.each(REFUSALS)('takes HTTP %d to a poll as a refused call, never as the end of the task', (status, codes) => {
    for (const call of polls) {
      for (const body of BODIES) {
        const outcome = interpret(reply(status, body), call)
        if (outcome.kind !== 'refused') throw new Error(`${JSON.stringify(body)} with HTTP ${status} is ${outcome.kind}`)
        expect(codes).toContain(outcome.failure.code)
        expect(outcome.failure).toMatchObject({ billed: 'unknown', provider_status: status })
      }
    }
  })

  test.runIf(hasCases)('keeps the cost, the task id and the facts that the vendor gave, whatever a later poll is answered', () => {
    const pending = answers.flatMap(({ call, reply: answer }) => {
      const outcome = interpret(answer, call)
      return outcome.kind === 'pending' ? [outcome] : []
    })
    expect(pending.length > 0).toBe(isAskable(examined))
    for (const { next, cost, taskId, vendor } of pending) {
      for (const later of [reply(200, null), reply(401, { message: 'no' }), reply(404, null), reply(500, '<html>')]) {
        const outcome = interpret(later, next)
        expect({ cost: outcome.cost, taskId: outcome.taskId, vendor: outcome.vendor }).toEqual({ cost, taskId, vendor })
      }
    }
  })

  test.each(RETRY_AFTER)('reads the Retry-After %j as %j ms, on a submit and on a poll', (value, waitMs) => {
    const headers = { 'retry-after': value, date: SENT_AT } as Record<string, string>
    for (const call of [...submits, ...polls]) {
      const outcome = interpret(reply(429, null, headers), call)
      expect(failuresOf(outcome).map(({ retry_after_ms }) => retry_after_ms ?? null)).toEqual([waitMs])
    }
  })

  test('asks for no wait where the Retry-After is a date and the reply has none to measure it against', () => {
    const headers = { 'retry-after': 'Sat, 21 Nov 2026 10:00:07 GMT' }
    for (const call of [...submits.slice(0, 1), ...polls.slice(0, 1)])
      expect(failuresOf(interpret(reply(429, null, headers), call))[0]).not.toHaveProperty('retry_after_ms')
  })

  /** Replies of the stories that end with a linked image, and where the link stands in them. */
  const finished = answers.flatMap(({ call, reply: answer }) => {
    const outcome = interpret(answer, call)
    if (outcome.kind !== 'done' || outcome.images.length !== 1 || failuresOf(outcome).length > 0) return []
    const [image] = outcome.images
    const url = image?.source.kind === 'url' ? image.source.url : null
    const path = pathsIn(answer.body).find((candidatePath) => url !== null && partAt(answer.body, candidatePath) === url)
    return path === undefined || url === null ? [] : [{ call, answer, path, url: new URL(url) }]
  })

  const withLink = ({ call, answer, path }: (typeof finished)[number], link: string): Outcome =>
    interpret({ ...answer, body: withPart(answer.body, path, link), url: new URL('/v9/tasks/1', examined.manifest.base_url).href }, call)

  const sourcesOf = (outcome: Outcome): readonly ImageRef['source'][] =>
    outcome.kind === 'done' ? outcome.images.map(({ source }) => source) : []

  test.runIf(hasCases)('takes a link as a URL parser makes it: spaces, line ends, capitals, relative to the reply', () => {
    expect(finished.length > 0).toBe(!examined.manifest.declares.inline)
    for (const story of finished) {
      const { host } = story.url
      const base = new URL(examined.manifest.base_url).origin
      const links = [
        [` ${story.url.href}\n`, story.url.href],
        [`HTTPS://${host.toUpperCase()}/A b.png`, `https://${host}/A%20b.png`],
        [`https://${host}/a\n/b.png`, `https://${host}/a/b.png`],
        [`//${host}/a.png`, `https://${host}/a.png`],
        ['/files/a.png?x=1', `${base}/files/a.png?x=1`],
        ['a.png', `${base}/v9/tasks/a.png`],
      ] as const
      for (const [link, url] of links) expect(sourcesOf(withLink(story, link)), link).toEqual([{ kind: 'url', url }])
    }
  })

  test('takes a data URI instead of a link as the image', () => {
    for (const story of finished)
      expect(sourcesOf(withLink(story, 'DATA:image/PNG;charset=x;base64,QU\nJD'))).toEqual([{ kind: 'base64', data: 'QUJD' }])
  })

  test('says what came instead of a link, without what signs it, and that the task may be billed', () => {
    for (const story of finished) {
      const [failure] = failuresOf(withLink(story, 'ftp://files.example/a.png?sig=CANARY'))
      expect(failure).toMatchObject({ code: 'bad_reply' })
      expect(failure?.billed).not.toBe(false)
      expect(failure?.message).toContain('ftp://files.example/a.png')
      expect(failure?.message).not.toContain('CANARY')
    }
  })

  test('takes what comes twice in one reply as one image, at one cost', () => {
    for (const { call, reply: answer } of answers) {
      const once = interpret(answer, call)
      if (once.kind !== 'done') continue
      const lists = pathsIn(answer.body).filter((path) => Array.isArray(partAt(answer.body, path)))
      for (const path of lists) {
        const list = partAt(answer.body, path) as readonly Json[]
        const twice = interpret({ ...answer, body: withPart(answer.body, path, [...list, ...list]) }, call)
        if (twice.kind !== 'done') throw new Error(`${path.join('.')} twice is ${twice.kind}`)
        expect(twice.images).toEqual(once.images)
        if (failuresOf(once).length === 0) expect(twice.cost).toEqual(once.cost)
      }
    }
  })

  test('gives every image of a reply once, by its id and by its link', () => {
    for (const { call, reply: answer } of answers) {
      const outcome = interpret(answer, call)
      const images = outcome.kind === 'done' ? outcome.images : []
      const ids = images.flatMap(({ id }) => id ?? [])
      const links = images.map(({ source }) => JSON.stringify(source))
      expect([new Set(ids).size, new Set(links).size]).toEqual([ids.length, links.length])
    }
  })

  test.runIf(examined.manifest.declares.cancel)('cancels a task with a free call to the vendor, and only a task', () => {
    const cancel = adapter.cancel?.bind(adapter)
    for (const call of knownCalls(examined, ['poll'])) expect(cancel?.(call)?.purpose).toBe('cancel')
    for (const order of plainOrders(examined)) expect(cancel?.(adapter.translate(order).call) ?? null).toBeNull()
  })
})
