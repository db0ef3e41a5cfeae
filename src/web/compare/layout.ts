export const GAP = 20
const LEAST_COLUMN = 300
export const MOST_COLUMN = 760

/** As many columns as fit, balanced over the rows, so that no row stands nearly empty. */
export function columnsFor(count: number, width: number): number {
  if (count < 1) return 1
  const fitting = Math.max(1, Math.min(count, Math.floor((width + GAP) / (LEAST_COLUMN + GAP))))
  const rows = Math.ceil(count / fitting)
  return Math.ceil(count / rows)
}

export interface Size {
  readonly width: number
  readonly height: number
}

/** How large an image, or the frame of what was asked for, is drawn in its slot, in percent of the slot's sides. */
export interface Drawn {
  readonly width: number
  readonly height: number
}

/**
 * One image pixel has the same size in every slot. A slot has the shape that was asked for; the largest of the images fills its slot and
 * whatever is smaller is drawn smaller.
 */
export function sameScale(asked: Size, images: readonly Size[]): (size: Size) => Drawn {
  const factor = Math.max(1, ...images.flatMap(({ width, height }) => [width / asked.width, height / asked.height]))
  return ({ width, height }) => ({ width: (width * 100) / (asked.width * factor), height: (height * 100) / (asked.height * factor) })
}

/** Each image as large as its slot takes it whole. */
export function fitted(asked: Size): (size: Size) => Drawn {
  return ({ width, height }) => {
    const factor = Math.max(width / asked.width, height / asked.height)
    return { width: (width * 100) / (asked.width * factor), height: (height * 100) / (asked.height * factor) }
  }
}
