import { useState } from 'preact/hooks'
import { isZeroUsd, multiplyUsd, subtractUsd } from '../../contract/amounts.ts'
import { duration, formatName, size } from '../format/facts.ts'
import { usdText } from '../format/usd.ts'
import { Icon } from '../parts/icon.tsx'
import { Thumbnail } from '../parts/thumbnail.tsx'
import { client } from '../shell/gateway.ts'
import { useKeys } from '../shell/keys.ts'
import type { Drawn, Size } from './layout.ts'
import { isFar, perImage, type Part } from './part.ts'
import '../styles/wipe.css'

interface WipeProps {
  /** Those with an image; two at least. */
  readonly parts: readonly Part[]
  readonly flips: boolean
  readonly asked: Size
  readonly draw: (size: Size) => Drawn
  readonly prompt: string
  readonly onZoom: (provider: string) => void
}

/** Two images on one another: a divider between them, or one after the other. */
export function Wipe({ parts, flips, asked, draw, prompt, onZoom }: WipeProps) {
  const [pair, setPair] = useState<readonly [string, string]>([parts[0]?.provider ?? '', parts[1]?.provider ?? ''])
  const [at, setAt] = useState(50)
  const [showsB, setShowsB] = useState(false)
  const [a, b] = pair.map((provider, index) => parts.find((part) => part.provider === provider) ?? parts[index])
  const swap = () => setPair([pair[1], pair[0]])
  useKeys({
    x: swap,
    ' ': () => (flips ? setShowsB(!showsB) : setAt(at > 50 ? 0 : 100)),
    ArrowLeft: () => setAt(Math.max(0, at - 2)),
    ArrowRight: () => setAt(Math.min(100, at + 2)),
    z: () => onZoom(a?.provider ?? ''),
  })
  if (a === undefined || b === undefined) return null
  const edge = flips ? (showsB ? 0 : 100) : at
  return (
    <div class="wipe">
      <div>
        <div class="stage">
          <div class="stage-frame" style={{ aspectRatio: `${asked.width} / ${asked.height}`, '--ratio': asked.width / asked.height }}>
            <Layer part={a} draw={draw} prompt={prompt} clip={`inset(0 ${100 - edge}% 0 0)`} />
            <Layer part={b} draw={draw} prompt={prompt} clip={`inset(0 0 0 ${edge}%)`} />
            {flips ? null : (
              <>
                <span class="divider" style={{ left: `${at}%` }}>
                  <span>
                    <Icon name="code" />
                  </span>
                </span>
                <Slider at={at} onAt={setAt} a={a} b={b} label="Wipe between A and B" class="over" />
              </>
            )}
            {flips ? (
              <button type="button" class="over" aria-label={`Flip to ${showsB ? a.title : b.title}`} onClick={() => setShowsB(!showsB)} />
            ) : null}
            {flips && showsB ? null : <span class="stage-name left">A · {a.title}</span>}
            {flips && !showsB ? null : <span class="stage-name right">B · {b.title}</span>}
          </div>
        </div>
        <div class="under-stage small two">
          <span class="num">{flips ? `Shows ${showsB ? `B, ${b.title}` : `A, ${a.title}`}` : `Wipe ${at} %`}</span>
          {flips ? null : (
            // The same slider where it can be seen; the one over the stage has the name and the keys.
            <input
              class="under"
              type="range"
              min={0}
              max={100}
              value={at}
              tabIndex={-1}
              aria-hidden="true"
              onInput={(event) => setAt(Number(event.currentTarget.value))}
            />
          )}
          <span class="stage-keys" aria-hidden="true">
            {flips ? null : (
              <>
                <span class="kbd">←</span> <span class="kbd">→</span> move
              </>
            )}
            <span class="kbd">Space</span> flip <span class="kbd">Z</span> 100 % <span class="kbd">X</span> swap
          </span>
        </div>
      </div>
      <aside class="beside">
        <Comparison a={a} b={b} />
        <h2 class="small medium">Put beside</h2>
        <ul class="beside-thumbs">
          {parts.map((part) => (
            <li key={part.provider}>
              <button
                type="button"
                aria-label={`A is ${part.title}`}
                aria-pressed={part.provider === a.provider}
                class={part.provider === b.provider ? 'is-b' : undefined}
                onClick={(event) =>
                  setPair(event.shiftKey ? [pair[0], part.provider] : [part.provider, pair[1] === part.provider ? pair[0] : pair[1]])
                }
              >
                <Thumbnail image={part.images[0]} width={90} height={60} />
              </button>
              <button
                type="button"
                class="button compact"
                aria-label={`B is ${part.title}`}
                aria-pressed={part.provider === b.provider}
                onClick={() => setPair([pair[0] === part.provider ? pair[1] : pair[0], part.provider])}
              >
                B
              </button>
            </li>
          ))}
        </ul>
      </aside>
    </div>
  )
}

interface SliderProps {
  readonly at: number
  readonly onAt: (at: number) => void
  readonly a: Part
  readonly b: Part
  readonly label: string
  readonly class: string
}

const Slider = ({ at, onAt, a, b, label, class: name }: SliderProps) => (
  <input
    class={name}
    type="range"
    min={0}
    max={100}
    value={at}
    aria-label={label}
    aria-valuetext={`${at} %, left ${a.title}, right ${b.title}`}
    onInput={(event) => onAt(Number(event.currentTarget.value))}
  />
)

function Layer({
  part,
  draw,
  prompt,
  clip,
}: {
  readonly part: Part
  readonly draw: (size: Size) => Drawn
  readonly prompt: string
  readonly clip: string
}) {
  const [image] = part.images
  if (image === undefined) return null
  const drawn = draw({ width: image.width ?? 1024, height: image.height ?? 1024 })
  return (
    <span class="layer" style={{ clipPath: clip }}>
      <img src={client().imageAddress(image)} alt={prompt} style={{ width: `${drawn.width}%`, height: `${drawn.height}%` }} />
    </span>
  )
}

const factsOf = ({ title, row, images: [image] }: Part): Readonly<Record<string, string>> => ({
  Provider: title,
  Cost: row.amount === null ? 'unknown' : usdText(row.amount),
  Time: row.total_ms === null ? '' : duration(row.total_ms),
  Width: String(image?.width ?? ''),
  Height: String(image?.height ?? ''),
  Size: image?.bytes === null || image === undefined ? '' : size(image.bytes),
  Format: image?.format === null || image === undefined ? '' : formatName(image.format),
  Seed: image?.seed ?? '',
})

function Comparison({ a, b }: { readonly a: Part; readonly b: Part }) {
  const [left, right] = [factsOf(a), factsOf(b)]
  return (
    <>
      <table class="a-and-b" aria-label="A and B">
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">Fact</span>
            </th>
            <th scope="col" class="num">
              A
            </th>
            <th scope="col" class="num">
              B
            </th>
          </tr>
        </thead>
        <tbody>
          {Object.keys(left).map((fact) => {
            const isSame = left[fact] === right[fact]
            return (
              <tr key={fact} class="small">
                <th scope="row">{fact}</th>
                <td class={`num ${isSame ? 'three' : 'medium'}`}>{left[fact]}</td>
                <td class={`num ${isSame ? 'three' : 'medium'}`}>{right[fact]}</td>
              </tr>
            )
          })}
        </tbody>
      </table>
      <p class="small two">
        <Price a={a} b={b} />
      </p>
    </>
  )
}

/** `B costs $0.0165 less per image. A thousand like it: $16.50 less.` */
function Price({ a, b }: { readonly a: Part; readonly b: Part }) {
  if (isFar(a) || isFar(b)) return <>The images are not comparable.</>
  if (a.row.amount === null || b.row.amount === null) return <>What one of them costs is not known.</>
  const [ofA, ofB] = [perImage(a), perImage(b)]
  if (ofA === null || ofB === null) return <>One image of one of them has no price that can be written without rounding.</>
  const difference = subtractUsd(ofB, ofA)
  if (isZeroUsd(difference)) return <>Both cost the same.</>
  const [word, amount] = difference.startsWith('-') ? ['less', difference.slice(1)] : ['more', difference]
  return (
    <>
      B costs <b class="ink">{usdText(amount)}</b> {word} per image. A thousand like it:{' '}
      <b class="ink">{usdText(multiplyUsd(amount, 1_000))}</b> {word}.
    </>
  )
}
