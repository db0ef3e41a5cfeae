import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Generation } from '#contract'
import { json } from '../e2e/gateway.ts'
import { launchProcess } from '../e2e/gateway-process.ts'
import type { Gateway } from '../e2e/gateway.ts'
import { ANOTHER_HOST, CHROMIUM, launchChromium } from '../support/chromium.ts'

/** What elements of a page, and a prefetch, hear of an answer. */
const HEARD = `(url) => {
  const heardOf = (tag, fill) => new Promise((resolve) => {
    const element = document.createElement(tag)
    element.onload = () => resolve('success')
    element.onerror = () => resolve('failure')
    fill(element)
    document.body.append(element)
  })
  const link = (more) => heardOf('link', (element) => Object.assign(element, more, { href: url }))
  return Promise.all([
    heardOf('object', (element) => (element.data = url)),
    heardOf('img', (element) => (element.src = url)),
    link({ rel: 'prefetch' }),
    link({ rel: 'stylesheet' }),
  ])
}`

describe.skipIf(CHROMIUM === undefined)(
  'a page of another site, and one of another port, at a gateway without keys',
  { timeout: 120_000 },
  () => {
    const elsewhere = createServer(
      (_request, reply) => void reply.setHeader('content-type', 'text/html').end('<!doctype html><title>x</title>'),
    )
    let gateway: Gateway
    let browser: Browser
    let image = ''
    const asked = new Map<string, number>()
    beforeAll(async () => {
      await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve))
      gateway = await launchProcess({})
      browser = await launchChromium()
      const body = JSON.stringify({ model: 'flux-2-pro', prompt: 'a fox', width: 256, height: 256 })
      const made = await gateway.ask('/v1/generations', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
      image = (await json<Generation>(made)).images[0]?.url ?? ''
    })
    afterAll(async () => {
      await browser.close()
      elsewhere.close()
      await gateway.close()
    })

    test.each([ANOTHER_HOST, '127.0.0.1'])('a page of %s learns of no success, sees images, and its links open', async (host) => {
      const page = await (await browser.newContext()).newPage()
      page.on('response', (response) => void asked.set(response.url(), response.status()))
      await page.goto(`http://${host}:${(elsewhere.address() as AddressInfo).port}/`)
      const heard = (path: string) => page.evaluate(`(${HEARD})(${JSON.stringify(new URL(path, gateway.url).href)})`)
      const failed = Array.from({ length: 4 }, () => 'failure')
      for (const path of ['/v1/models/flux-2-pro', '/v1/models/nosuch', '/v1/generations?q=fox', '/v1/costs', '/metrics'])
        expect([path, await heard(path)]).toEqual([path, failed])
      const searched = `${gateway.url}/v1/generations?q=fo`
      await page.evaluate(`fetch(${JSON.stringify(searched)}, { mode: 'no-cors' })`)
      expect(asked.get(searched)).toBe(403)
      expect(await heard(image)).toMatchObject({ 0: 'success', 1: 'success' })
      expect((await page.goto(`${gateway.url}/v1/models`))?.status()).toBe(200)
      await page.context().close()
    })
  },
)
