import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import type { Reference } from './draft.ts'

let made = 0

const read = (file: File): Promise<Reference> =>
  new Promise((resolve, reject) => {
    const reader = new FileReader()
    reader.addEventListener('load', () => {
      const sent = typeof reader.result === 'string' ? reader.result : ''
      resolve({ key: `file ${made++}`, sent, thumb: sent, name: file.name })
    })
    reader.addEventListener('error', () => reject(reader.error ?? new Error('the file cannot be read')))
    reader.readAsDataURL(file)
  })

export const TAKEN: readonly string[] = ['image/jpeg', 'image/png', 'image/webp']

const filesOf = (data: DataTransfer | null): readonly File[] => [...(data?.files ?? [])]

/** Image files dropped or pasted anywhere become references; `refused` names those that are none. `isOver`: files are held over the page now. */
export function useFilesFromAnywhere(references: readonly Reference[], onReferences: (references: readonly Reference[]) => void) {
  const [isOver, setIsOver] = useState(false)
  const [refused, setRefused] = useState('')
  const latest = useRef({ references, onReferences })
  latest.current = { references, onReferences }
  const take = async (files: readonly File[]) => {
    const others = files.filter(({ type }) => !TAKEN.includes(type))
    setRefused(others.map(({ name }) => `${name} is no JPEG, PNG or WebP.`).join(' '))
    if (others.length === files.length) return
    const added = await Promise.all(files.filter((file) => !others.includes(file)).map(read))
    const next = [...latest.current.references, ...added]
    // Two at the same moment: the second follows the first, whose drawing may still be to come.
    latest.current = { ...latest.current, references: next }
    latest.current.onReferences(next)
  }
  useLayoutEffect(() => {
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes('Files')) return
      event.preventDefault()
      setIsOver(true)
    }
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setIsOver(false)
    }
    const drop = (event: DragEvent) => {
      setIsOver(false)
      const files = filesOf(event.dataTransfer)
      if (files.length === 0) return
      // Whatever it is: the browser opens a file that nobody takes, and this page is gone.
      event.preventDefault()
      void take(files)
    }
    const paste = (event: ClipboardEvent) => {
      const files = filesOf(event.clipboardData)
      if (files.length > 0) void take(files)
    }
    addEventListener('dragover', over)
    addEventListener('dragleave', leave)
    addEventListener('drop', drop)
    addEventListener('paste', paste)
    return () => {
      removeEventListener('dragover', over)
      removeEventListener('dragleave', leave)
      removeEventListener('drop', drop)
      removeEventListener('paste', paste)
    }
  }, [])
  return { isOver, refused, take }
}
