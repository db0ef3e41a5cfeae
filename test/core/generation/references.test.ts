import { Readable } from 'node:stream'
import { describe, expect, test } from 'vitest'
import type { ReferenceForm } from '#contract'
import { AssetError } from '../../../src/core/ports.ts'
import type { Download, Downloaded } from '../../../src/core/ports.ts'
import type { Reference } from '../../../src/core/records.ts'
import { referencesFor, ReferenceUnavailable } from '../../../src/core/generation/references.ts'

const BYTES = Buffer.from('bytes of a JPEG')
const BASE64 = BYTES.toString('base64')
const link = (url: string): Reference => ({ kind: 'url', url, pixels: null })
const stored: Reference = { kind: 'stored', sha256: 'a', format: 'webp', pixels: { width: 2, height: 3 } }

const body = (): Downloaded => ({ kind: 'body', stream: Readable.from([BYTES]), contentType: 'image/png', statedBytes: null })

/** Stores whatever comes as a JPEG, as its bytes say, and counts. */
function world(answer: (url: string) => Downloaded | Promise<Downloaded> = body, put?: () => Promise<never>) {
  const asked: string[] = []
  const download: Download = async (url) => {
    asked.push(url)
    return answer(url)
  }
  const assets = {
    putReference: put ?? (async () => ({ sha256: 'b', format: 'jpeg', width: 1, height: 1, bytes: BYTES.length })),
    read: async (sha256: string) => (sha256 === 'gone' ? null : BYTES),
  }
  const ports = { download, assets, settings: { maxImageBytes: 1_000 } } as never
  const given = (references: readonly Reference[], forms: readonly ReferenceForm[]) => referencesFor(ports, references, forms, 'acme')
  return { asked, given }
}

describe('references in a form an offer takes', () => {
  test('are links as they are where the offer takes links, and nothing is fetched', async () => {
    const { asked, given } = world()
    expect(await given([link('https://a.example/1')], ['url', 'data_uri'])).toEqual(['https://a.example/1'])
    expect(asked).toEqual([])
  })

  test('that are stored and came as links are sent as those links where the offer takes links', async () => {
    const { asked, given } = world()
    const kept: Reference = { ...stored, url: 'https://a.example/1' }
    expect(await given([kept, stored], ['url', 'base64'])).toEqual(['https://a.example/1', BASE64])
    expect(await given([kept], ['base64'])).toEqual([BASE64])
    expect(asked).toEqual([])
  })

  test('are data URIs of the type that the bytes have, whatever the link says of it, or bare base64', async () => {
    const { given } = world()
    const references = [link('https://a.example/1.png'), stored]
    expect(await given(references, ['data_uri'])).toEqual([`data:image/jpeg;base64,${BASE64}`, `data:image/webp;base64,${BASE64}`])
    expect(await given(references, ['base64'])).toEqual([BASE64, BASE64])
  })

  test('are fetched once for all tasks of a request, and again for another request', async () => {
    const { asked, given } = world()
    const references = [link('https://a.example/1'), link('https://a.example/1'), link('https://a.example/2')]
    await Promise.all([given(references, ['data_uri']), given(references, ['base64'])])
    await given(references, ['base64'])
    expect(asked).toEqual(['https://a.example/1', 'https://a.example/2'])
    await given([...references], ['base64'])
    expect(asked).toHaveLength(4)
  })

  test('that could not be fetched for one task are fetched again for the next', async () => {
    let tries = 0
    const { given } = world(() => (++tries === 1 ? { kind: 'failed', reason: 'the server answered 503', retryable: true } : body()))
    const references = [link('https://a.example/1')]
    await expect(given(references, ['base64'])).rejects.toThrow(ReferenceUnavailable)
    expect(await given(references, ['base64'])).toEqual([BASE64])
  })

  test.each<readonly [string, Downloaded, string]>([
    ['is dead', { kind: 'expired', status: 404 }, 'the link answered 404'],
    ['is private', { kind: 'refused', reason: 'a.test is not at a public address' }, 'a.test is not at a public address'],
    [
      'leads to a page',
      { kind: 'failed', reason: 'the server sent an HTML page instead of an image', retryable: true },
      'the server sent an HTML page instead of an image',
    ],
  ])('whose link %s are refused with the field, the reason and what to send instead', async (_, answer, reason) => {
    const { given } = world((url) => (url.endsWith('2') ? answer : body()))
    const failing = given([link('https://a.example/1'), link('https://a.example/2')], ['base64'])
    await expect(failing).rejects.toThrow(ReferenceUnavailable)
    await expect(failing).rejects.toThrow(/^reference_images\[1\]: .*; give a link that anyone can open, or send the image as a data: URI$/)
    await expect(failing).rejects.toThrow(reason)
  })

  test('that are no image are refused, and a disk that refuses is not the caller’s fault', async () => {
    const refusing = (reason: AssetError['reason']) => world(body, () => Promise.reject(new AssetError(reason, `because of ${reason}`)))
    const references = [link('https://a.example/1')]
    await expect(refusing('not_an_image').given(references, ['base64'])).rejects.toThrow(ReferenceUnavailable)
    await expect(refusing('storage').given([...references], ['base64'])).rejects.toThrow(AssetError)
  })

  test('whose bytes were removed are refused', async () => {
    const failing = world().given([{ ...stored, sha256: 'gone' }], ['base64'])
    await expect(failing).rejects.toThrow('reference_images[0]: the image is no longer stored; send it again as a data: URI for acme')
  })
})
