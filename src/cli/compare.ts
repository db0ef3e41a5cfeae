import { randomUUID } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { dirname, extname, join } from 'node:path'
import type { Comparison, ComparisonRow } from '#contract'
import type { Client } from '../client/client.ts'
import type { Verb } from './verb.ts'
import { writeWhole } from './write-whole.ts'
import { comparisonReport } from './comparison-report.ts'
import { withGateway, type ConnectOptions } from './connect.ts'
import type { SheetCell } from './contact-sheet.ts'
import { fetchLater, whereItGoesOn } from './fetch-later.ts'
import { checkFile, checkFolder } from './folder.ts'
import { names } from './options.ts'
import { requestCommand } from './request-command.ts'
import { requestFromOptions, type RequestOptions } from './request-from-options.ts'
import { fileStem, saveImages } from './save-images.ts'
import { NotUnderstood, type Terminal } from './terminal.ts'
import { watchComparison } from './watch-comparison.ts'

interface CompareOptions extends ConnectOptions, RequestOptions {
  /** `all`, or ids. */
  readonly providers: readonly string[]
  readonly out: string
  /** A file, false for none. */
  readonly sheet?: string | false
  readonly json?: boolean
}

export const compareVerb: Verb = (terminal, finish) =>
  requestCommand('compare', 'run one request at several providers, side by side, and write a contact sheet')
    .option('--providers <ids>', '`all` that can take it, or ids: a,b', onlyOnce(), ['all'])
    .option('--out <folder>', 'where the images and the contact sheet go', '.')
    .option('--sheet <file>', 'the contact sheet: .jpg, .png or .webp (default: in the folder, named after the comparison)')
    .option('--no-sheet', 'write no contact sheet')
    .action((prompt: string, options: CompareOptions) => finish(compare(prompt, options, terminal)))

/** Ids given replace the default instead of joining it. */
function onlyOnce(): (text: string) => readonly string[] {
  let given: readonly string[] = []
  return (text) => (given = names(text, given))
}

async function compare(prompt: string, options: CompareOptions, terminal: Terminal): Promise<number> {
  const request = await requestFromOptions(prompt, options, terminal)
  const providers = options.providers.includes('all') ? undefined : options.providers
  const format = typeof options.sheet === 'string' ? formatOf(options.sheet) : 'jpeg'
  await checkFolder('--out', options.out)
  if (typeof options.sheet === 'string') await checkFile('--sheet', options.sheet)
  return withGateway(options, terminal, async ({ client, url, embedded, ifInterrupted }) => {
    const note = (text: string) => (options.json ? undefined : terminal.err(text))
    note(embedded ? 'No gateway runs here: one was started inside this command.' : `Talking to ${url}.`)
    const accepted = await client.compare(request, { providers, idempotencyKey: randomUUID() })
    note(`${accepted.id} accepted${accepted.sandbox ? ' (sandbox: emulated vendors, no money is spent)' : ''}`)
    const watching = options.json ? null : watchComparison(terminal, accepted)
    ifInterrupted(() => {
      watching?.end()
      if (options.json) terminal.out(JSON.stringify({ ...accepted, saved: {}, sheet: null }, null, 2))
      note(`${accepted.id} goes on ${whereItGoesOn({ embedded, url })}. Its images are saved by`)
      for (const { id } of accepted.generations) note(`  ${fetchLater(id, options.out, options)}`)
    })
    const comparison = await client
      .waitForComparison(accepted.id, { onUpdate: (seen) => watching?.update(seen) })
      .finally(() => watching?.end())
    const saved = await savedImages(client, comparison, options.out)
    const sheet = options.sheet === false ? null : (options.sheet ?? join(options.out, `${fileStem(comparison.id)}.jpg`))
    if (sheet !== null) {
      await mkdir(dirname(sheet), { recursive: true })
      // It draws with native code, which no other verb loads.
      const { contactSheet } = await import('./contact-sheet.ts')
      await writeWhole(sheet, await contactSheet(comparison, await cellsOf(client, comparison), format))
    }
    terminal.out(
      options.json
        ? JSON.stringify({ ...comparison, saved: Object.fromEntries(saved), sheet }, null, 2)
        : [comparisonReport(comparison), ...(sheet === null ? [] : ['', `contact sheet: ${sheet}`])].join('\n'),
    )
    return comparison.status === 'succeeded' ? 0 : 1
  })
}

const generationOf = (comparison: Comparison, row: ComparisonRow) => comparison.generations.find(({ id }) => id === row.generation_id)

/** Each provider's images as files of their own. */
async function savedImages(
  client: Client,
  comparison: Comparison,
  folder: string,
): Promise<readonly (readonly [string, readonly string[]])[]> {
  return Promise.all(
    comparison.summary.map(async (row) => {
      const generation = generationOf(comparison, row)
      const paths = generation ? await saveImages(client, generation, folder, `${comparison.id}-${row.provider}`) : []
      return [row.provider, paths] as const
    }),
  )
}

const cellsOf = (client: Client, comparison: Comparison): Promise<readonly SheetCell[]> =>
  Promise.all(
    comparison.summary.map(async (row) => ({
      row,
      images: await Promise.all((generationOf(comparison, row)?.images ?? []).map((image) => client.image(image))),
    })),
  )

function formatOf(file: string): 'jpeg' | 'png' | 'webp' {
  switch (extname(file).toLowerCase()) {
    case '.jpg':
    case '.jpeg':
      return 'jpeg'
    case '.png':
      return 'png'
    case '.webp':
      return 'webp'
    default:
      throw new NotUnderstood(`--sheet ${file}: give it one of the endings .jpg, .png, .webp`)
  }
}
