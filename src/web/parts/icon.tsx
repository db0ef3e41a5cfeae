/** Icons of 16 by 16, drawn with the colour of the text beside them, which says the same in words. */
const PATHS = {
  ring: 'M8 1.8a6.2 6.2 0 1 1 0 12.4a6.2 6.2 0 1 1 0-12.4',
  tick: 'M5.2 8.2l2 2 3.6-4',
  cross: 'M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4',
  dash: 'M5.4 8h5.2',
  arc: 'M14.2 8a6.2 6.2 0 0 0-6.2-6.2',
  question: 'M6.3 6.4a1.8 1.8 0 1 1 2.5 1.7c-.5.2-.8.5-.8 1.1M8 11.2v.1',
  shield: 'M8 1.6l5 1.8v4.2c0 3.2-2 5.4-5 6.8c-3-1.4-5-3.6-5-6.8V3.4zM5.8 8h4.4',
  triangle: 'M8 2.2l6.4 11.3H1.6zM8 6.4v3.4M8 11.7v.1',
  chevron: 'M6 3.8l4.2 4.2L6 12.2',
  down: 'M3.8 6L8 10.2 12.2 6',
  left: 'M10 3.8L5.8 8l4.2 4.2',
  heart: 'M8 13.4C3.4 10.3 2 8.2 2 6a3 3 0 0 1 6-1 3 3 0 0 1 6 1c0 2.200-1.400 4.300-6 7.400z',
  zoom: 'M7 2.200a4.800 4.800 0 1 1 0 9.600a4.800 4.800 0 1 1 0-9.600M10.600 10.600L14 14M7 5v4M5 7h4',
  save: 'M8 2v8M4.800 7L8 10.200 11.200 7M2.500 13.500h11',
  again: 'M13.200 6.200A5.600 5.600 0 1 0 13.600 9M13.400 2.800v3.600H9.800',
  code: 'M5.500 4.500L2 8l3.500 3.500M10.500 4.500L14 8l-3.500 3.500',
  link: 'M6.600 9.400l2.800-2.800M7.400 4.800l1.600-1.600a2.700 2.700 0 0 1 3.800 3.800l-1.600 1.600M8.600 11.200L7 12.800a2.700 2.700 0 0 1-3.800-3.800l1.600-1.600',
  blind: 'M2 8s2.200-4 6-4 6 4 6 4-2.200 4-6 4-6-4-6-4zM6.400 8a1.600 1.600 0 1 1 3.200 0a1.600 1.600 0 1 1-3.200 0M2.500 13.500l11-11',
  moon: 'M13 9.600A5.600 5.600 0 1 1 6.400 3a4.600 4.600 0 0 0 6.600 6.600z',
  sun: 'M8 5.400a2.600 2.600 0 1 1 0 5.200a2.600 2.600 0 1 1 0-5.200M8 1.500v1.500M8 13v1.500M1.500 8H3M13 8h1.500M3.400 3.400l1 1M11.600 11.600l1 1M12.600 3.400l-1 1M4.400 11.600l-1 1',
  half: 'M8 1.800a6.200 6.200 0 1 1 0 12.400a6.200 6.200 0 1 1 0-12.400M8 1.800v12.400',
  keyboard: 'M1.500 4.500h13v7h-13zM4 7h.1M6.600 7h.1M9.200 7h.1M11.900 7h.1M5 9.300h6',
  image: 'M2 3h12v10H2zM2 10.500l3.400-3.200 3 2.700 2-1.600 3.600 3M10.500 6v.1',
  compare: 'M2 3h5v10H2zM9 3h5v10H9z',
  list: 'M5.500 4h9M5.500 8h9M5.500 12h9M2 4h.1M2 8h.1M2 12h.1',
  dollar:
    'M8 1.800a6.200 6.200 0 1 1 0 12.400a6.200 6.200 0 1 1 0-12.400M10 6.200c-.3-.7-1-1-2-1-1.200 0-2 .5-2 1.400 0 2 4.100.8 4.100 2.800 0 .9-.9 1.400-2.100 1.400-1.100 0-1.800-.4-2.100-1.100M8 4.200v7.600',
  plug: 'M5.500 2v3M10.500 2v3M4 5h8v2.500a4 4 0 0 1-8 0zM8 11.500V14.500',
  offline:
    'M2 2l12 12M1.800 6.400A9 9 0 0 1 5 4.500M7.500 4a9 9 0 0 1 6.700 2.400M4.200 9a5.500 5.500 0 0 1 2.600-1.500M9.800 7.800A5.500 5.500 0 0 1 11.800 9M8 12v.1',
  dots: 'M3.5 8h.1M8 8h.1M12.5 8h.1',
  remove: 'M4 4l8 8M12 4l-8 8',
  key: 'M5 8.200a2.900 2.900 0 1 1 0 5.800a2.900 2.900 0 1 1 0-5.800M7.200 8.900L13.500 2.500M11 5l2 2',
} as const

export type IconName = keyof typeof PATHS

interface IconProps {
  readonly name: IconName | readonly IconName[]
  readonly dashed?: boolean
  readonly turning?: boolean
  readonly filled?: boolean
}

export function Icon({ name, dashed = false, turning = false, filled = false }: IconProps) {
  const [first, ...rest] = typeof name === 'string' ? [name] : name
  if (first === undefined) return null
  return (
    <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
      {turning ? <path d={PATHS.ring} stroke="var(--line)" /> : null}
      <path d={PATHS[first]} stroke-dasharray={dashed ? '3.2 2.4' : undefined} class={turning ? 'turning' : filled ? 'full' : undefined} />
      {rest.map((part) => (
        <path key={part} d={PATHS[part]} />
      ))}
    </svg>
  )
}
