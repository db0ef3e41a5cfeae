import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashOfKey } from '../../src/http/access.ts'
import { launchProcess } from '../e2e/gateway-process.ts'
import type { Gateway } from '../e2e/gateway.ts'
import { CHROMIUM, sharedChromium, watchedPage } from '../support/chromium.ts'
import { faultsOf, useAxe } from '../web/axe.ts'
import { HIGHER_THAN_THE_PAGE, mended, openAll } from './docs-groups.ts'

const run = promisify(execFile)
const SECRET = 'key-of-root'
const ROOT_KEY = { authorization: `Bearer ${SECRET}` }

/** In the page: the command that is shown for each operation, by the id of its section. */
const SHOWN = `Object.fromEntries([...document.querySelectorAll('[id^="api-1/tag/"]')].flatMap((section) => {
  if (!/^api-1\\/tag\\/[^/]+\\/(?:GET|POST|DELETE)\\/[^.]*$/.test(section.id)) return []
  const command = [...section.querySelectorAll('pre')].map(({ textContent }) => textContent).find((text) => text.startsWith('curl '))
  return command === undefined ? [] : [[section.id, command]]
}))`

async function commandsOf(page: Page): Promise<readonly (readonly [operation: string, command: string])[]> {
  const shown = Object.entries(await page.evaluate<Record<string, string>>(SHOWN))
  return shown.map(([id, command]) => [id.replace(/^api-1\/tag\/[^/]+\//, ''), command] as const)
}

/** Runs a command as a person copies it, with curl saying the status alone. */
const statusOf = async (command: string): Promise<string> =>
  (await run('sh', ['-c', `curl() { command curl -sS -o /dev/null -w '%{http_code}' --max-time 20 "$@"; }\n${command}`])).stdout

describe.skipIf(CHROMIUM === undefined)('the examples that /docs shows', { timeout: 120_000 }, () => {
  let gateway: Gateway
  /** An id of an example stands for one that an earlier call returned. */
  let made: readonly (readonly [RegExp, string])[]
  let page: Page
  beforeAll(async () => {
    const keys = `keys: [{ name: root, key_hash: ${hashOfKey(SECRET)}, scope: admin }]`
    gateway = await launchProcess({ config: `${keys}\nwebhooks: {}\nnetwork: { allow: ["127.0.0.0/8"] }\n` })
    const opened = openedDocs()
    for (const name of ['team-a', 'team-b']) await gateway.post('/v1/keys', { name }, ROOT_KEY)
    const generation = await gateway.generate({ webhook: { url: `${gateway.url}/v1/nothing` } }, ROOT_KEY)
    const idOf = async (reply: Promise<Response>): Promise<string> => {
      const { id, data } = (await (await reply).json()) as { readonly id?: string; readonly data?: readonly { readonly id: string }[] }
      return id ?? data?.[0]?.id ?? ''
    }
    const [image] = generation.images
    made = [
      [/gen_\w+/g, generation.id],
      [/cmp_\w+/g, await idOf(gateway.post('/v1/comparisons', { model: 'flux-2-pro', prompt: 'x' }, ROOT_KEY))],
      [/whd_\w+/g, await idOf(gateway.ask('/v1/webhooks/deliveries', { headers: ROOT_KEY }))],
      [/img_\w+/g, image?.id ?? ''],
      [/[0-9a-f]{64}\/jpeg/g, `${image?.sha256}/${image?.format}`],
    ]
    await opened
  }, 180_000)
  async function openedDocs(): Promise<void> {
    ;({ page } = await watchedPage(await sharedChromium(), gateway.url))
    page.setDefaultTimeout(120_000)
    await page.goto(`${gateway.url}/docs`)
    await openAll(page)
    await mended(page)
  }
  afterAll(async () => {
    await page.context().close()
    await gateway.close()
  })

  test('work as they are copied, one for each operation of the document', async () => {
    const commands = await commandsOf(page)
    const { paths } = (await (await gateway.ask('/openapi.json')).json()) as { readonly paths: Readonly<Record<string, object>> }
    const operations = Object.entries(paths).flatMap(([path, verbs]) => Object.keys(verbs).map((verb) => `${verb.toUpperCase()}${path}`))
    expect(commands.map(([operation]) => operation).toSorted()).toEqual(operations.toSorted())

    const wrong: string[] = []
    const tried = async ([operation, command]: readonly [string, string]): Promise<void> => {
      const real = made.reduce((text, [example, id]) => text.replaceAll(example, id), command).replaceAll('YOUR_SECRET_TOKEN', SECRET)
      const status = await statusOf(real)
      if (!/^2\d\d$/.test(status)) wrong.push(`${operation}: ${status}`)
    }
    // What reads goes side by side; what changes something comes after it, one after the other, as it may take away what another needs.
    const isReading = ([operation]: readonly [string, string]): boolean => operation.startsWith('GET')
    await Promise.all(commands.filter(isReading).map(tried))
    for (const changing of commands.filter((command) => !isReading(command))) await tried(changing)
    expect(wrong).toEqual([])
    // Other programs write the header of a form without its boundary; what is answered says to leave it out.
    const headers = { ...ROOT_KEY, 'content-type': 'multipart/form-data' }
    const refused = await gateway.ask('/v1/images/edits', { method: 'POST', headers, body: '--x' })
    expect(await refused.text()).toContain('names no boundary. Leave that header out')
  })

  test('and all around them have no fault that axe finds, at 1440 and 360 pixels, with every group open; each button that copies says what', async () => {
    await useAxe(page)
    for (const width of [1440, 360]) {
      await page.setViewportSize({ width, height: HIGHER_THAN_THE_PAGE })
      await mended(page)
      // Its colours are judged as it loads, in both themes; of the rest only what scrolls and what is there depends on the width.
      const rules = width === 1440 ? [] : ['scrollable-region-focusable', 'landmark-unique']
      expect([width, await faultsOf(page, 'body', { colours: false, rules })]).toEqual([width, []])
    }
    expect(await page.locator('button[aria-label="Copy, Edit images (OpenAI)"]').count()).toBeGreaterThan(0)
  })
})
