import { describe, expect, test } from 'vitest'
import { GAP } from '../../src/web/compare/layout.ts'
import { filesBelow, readText } from '../support/source-tree.ts'

const SPACES = new Set([4, 8, 12, 16, 20, 24, 32, 48])
const RADII = new Set([2, 4, 6, 8, 15])
const TYPES = new Set(['40/48', '32/40', '28/36', '20/28', '16/24', '14/20', '13/18', '12/16'])
/** Sizes of things that a space goes around, and the padding of the page itself, which is 16, 24 or 32 by its width. */
const SIZED = new Set([
  // The padding of the page.
  '--pad',
  // The bar at the bottom of a phone.
  '--bar',
  // The column of check boxes, whose rows go on below the names.
  '--check',
  // The thumbnail that stands over its row.
  '--thumb',
  // Compare, which stands over the line of the total.
  '--go',
  // The bar of total and Compare on a phone.
  '--start',
  // The disclosure at the right of the chips.
  '--disclosure',
])
/** Neither a space nor a radius of the table. */
const EXCEPTIONS = new Set([
  // Between the rows of columns the design has a space of its own.
  '.columns row-gap 28px',
  // The one box of its page stands in the upper third, whatever the height of the screen.
  '.asked-key margin 10vh',
  // A circle.
  '.story .dot border-radius 50%',
  // A circle.
  '.divider span border-radius 50%',
])

interface Declaration {
  readonly selector: string
  readonly property: string
  readonly value: string
}

const sheets = filesBelow(['src/web'], (path) => path.endsWith('.css'))
/** Rules do not nest here but in `@media` and `@keyframes`. */
const rules = sheets.flatMap((path) =>
  [
    ...readText(path)
      .replaceAll(/\/\*.*?\*\//gs, '')
      .matchAll(/([^{}]+)\{([^{}]*)\}/g),
  ].map(([, selector = '', body = '']) => ({
    selector: selector.trim().replaceAll(/\s+/g, ' '),
    declared: new Map(
      body.split(';').flatMap((line): [string, string][] => {
        const [property = '', ...value] = line.split(':')
        return value.length === 0 ? [] : [[property.trim(), value.join(':').trim().replaceAll(/\s+/g, ' ')]]
      }),
    ),
  })),
)
const declarations: readonly Declaration[] = rules.flatMap(({ selector, declared }) =>
  [...declared].map(([property, value]) => ({ selector, property, value })),
)
/** Of the declarations of such properties: each part that is not allowed, with where it stands. */
const strays = (property: RegExp, isAllowed: (part: string) => boolean): readonly string[] =>
  declarations
    .filter((one) => property.test(one.property))
    .flatMap(({ selector, property: name, value }) => value.split(/[\s,()]+/).map((part) => `${selector} ${name} ${part}`))
    .filter((stray) => !isAllowed(stray.slice(stray.lastIndexOf(' ') + 1)) && !EXCEPTIONS.has(stray))

const isOneOf =
  (sizes: ReadonlySet<number>) =>
  (part: string): boolean =>
    part === '0' || (/^-?\d+px$/.test(part) && sizes.has(Math.abs(Number.parseInt(part, 10))))

describe('the styles of the pages', () => {
  test('have only the spaces of the design', () => {
    const isSpace = isOneOf(SPACES)
    const isWord = (part: string) => ['', 'auto', 'calc', 'var', '+', '*', '-1', '!important'].includes(part) || SIZED.has(part)
    expect(strays(/^(margin|padding)(-[a-z]+)*$|^((row|column)-)?gap$/, (part) => isSpace(part) || isWord(part))).toEqual([])
    expect(SPACES.has(GAP)).toBe(true)
  })

  test('have only its radii, borders of one or two pixels, and no shadow but that of menus and dialogs', () => {
    expect(strays(/radius$/, isOneOf(RADII))).toEqual([])
    expect(strays(/^border(-(top|right|bottom|left))?(-width)?$/, (part) => !part.endsWith('px') || ['1px', '2px'].includes(part))).toEqual(
      [],
    )
    const shadows = declarations.filter(({ property }) => property === 'box-shadow')
    expect(new Set(shadows.map(({ value }) => value))).toEqual(new Set(['0 8px 24px rgb(0 0 0 / 0.18)']))
    expect(shadows.map(({ selector }) => selector)).toEqual(['.menu .card', '.dialog'])
  })

  test('have only its sizes of type, each with its height of line, and its weights', () => {
    const found = rules.flatMap(({ selector, declared }) => {
      const size = declared.get('font-size')
      const line = declared.get('line-height')
      const whole = /(\d+)px\/(\d+)px/.exec(declared.get('font') ?? '')
      const type = whole === null ? `${size?.replace('px', '')}/${line?.replace('px', '')}` : `${whole[1]}/${whole[2]}`
      return (size === undefined && line === undefined && whole === null) || TYPES.has(type) ? [] : [`${selector} ${type}`]
    })
    expect(found).toEqual([])
    expect(strays(/^font-weight$/, (part) => ['400', '500', '600'].includes(part))).toEqual([])
  })

  test('move only as the design says: 120 ms for hover, menus and disclosure, 160 ms for an image, 1.2 s for the ring, 200 ms for a bar', () => {
    const moving = declarations.filter(({ property, value }) => /^(transition|animation)/.test(property) && !/!important/.test(value))
    expect(moving.map(({ selector, property, value }) => `${selector} | ${property} | ${value}`)).toEqual(MOVES)
  })

  test('stand in the style sheets: what is set from the code is a size or a colour that is computed', () => {
    const set = filesBelow(['src/web'], (path) => path.endsWith('.tsx')).flatMap((path) =>
      [...readText(path).matchAll(/style=\{\{(.*?)\}\}/gs)].flatMap(([, body = '']) =>
        [...body.matchAll(/\w*(margin|padding|gap|font|line|border|letter|transition|animation)\w*: [^,]*/gi)].map(
          ([one]) => `${path} ${one.trim()}`,
        ),
      ),
    )
    expect(set).toEqual(SET_FROM_CODE)
  })
})

const HOVER = 'a, button, summary, label'
const MOVES = [
  `${HOVER} | transition-property | opacity, color, background-color, border-color`,
  `${HOVER} | transition-duration | 0.12s`,
  `${HOVER} | transition-timing-function | ease-out`,
  '.turning | animation | turn 1.2s linear infinite',
  '.menu .card | animation | appear 0.12s ease-out',
  '.slot .image img | animation | appear 0.16s ease-out',
  '.progress span | transition | width 0.2s linear',
  '.dense .actions | transition | opacity 0.12s ease-out',
  '.dialog | animation | appear 0.12s ease-out',
]
/** The width of the chart's labels, and the gap of columns, which is one of the spaces. */
const SET_FROM_CODE = [
  'src/web/compare/side-by-side.tsx columnGap: `${GAP}px`',
  'src/web/costs/day-chart.tsx marginLeft: `${LEFT}px`',
  'src/web/costs/day-chart.tsx marginLeft: `${LEFT}px`',
]
