import type { ComponentChildren } from 'preact'
import type { Generation, Image } from '../../client/index.ts'
import { formatName, pixels, size } from '../format/facts.ts'
import { textOf } from '../format/text.ts'
import { useIsPhone } from '../shell/media.ts'

const HASH_ENDS = [6, 4] as const

interface FactsProps {
  readonly generation: Generation
  readonly title: string
  /** The one that is shown. */
  readonly image: Image | undefined
}

/** What is known of the image beside its cost. */
export function Facts({ generation, title, image }: FactsProps) {
  const { provider_model: model, request, prompt_used: used } = generation
  const isPhone = useIsPhone()
  const facts: readonly (readonly [string, ComponentChildren])[] = [
    ['Provider', model === null ? title : [`${title} · `, <code key="model">{model}</code>]],
    ['Id', isPhone ? <code key="id">{generation.id}</code> : ''],
    ['Model', textOf(request['model'])],
    [
      'Delivered',
      image === undefined || image.width === null || image.height === null
        ? ''
        : `${pixels(image.width, image.height)} · ${image.format === null ? '' : formatName(image.format)} · ${size(image.bytes ?? 0)}`,
    ],
    ['Seed', image?.seed ?? ''],
    ['Key', generation.key ?? ''],
    ['Words used', image === undefined ? '' : used === null || used === request['prompt'] ? 'as written' : 'rewritten by the provider'],
    [
      'SHA-256',
      typeof image?.sha256 === 'string' ? (
        <code title={image.sha256}>{`${image.sha256.slice(0, HASH_ENDS[0])}…${image.sha256.slice(-HASH_ENDS[1])}`}</code>
      ) : (
        ''
      ),
    ],
    [
      'Metadata',
      Object.entries(generation.metadata)
        .map(([name, value]) => `${name}=${value}`)
        .join(', '),
    ],
  ]
  return (
    <dl class="facts-list small">
      {facts
        .filter(([, value]) => value !== '')
        .map(([name, value]) => [
          <dt key={`${name} name`} class="two">
            {name}
          </dt>,
          <dd key={`${name} value`} class="num">
            {value}
          </dd>,
        ])}
    </dl>
  )
}
