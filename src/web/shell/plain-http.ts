/** What browsers have on https and on localhost alone. A gateway in a local network is opened over plain http, from a phone for example. */

/** An idempotency key that nobody has used: 128 random bits in hex. */
export const freshKey = (): string =>
  [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')

/** Puts a text on the clipboard. @returns whether it is there */
export async function copyText(text: string): Promise<boolean> {
  const clipboard = (navigator as { readonly clipboard?: Clipboard }).clipboard
  if (clipboard !== undefined) {
    const failed = await clipboard.writeText(text).catch((error: unknown) => error ?? 'refused')
    return failed === undefined
  }
  return copySelected(text)
}

/** The older way: the text is selected in a field and copied from there. Inside an open dialog nothing outside it can be selected. */
function copySelected(text: string): boolean {
  const within = document.querySelector('dialog[open]') ?? document.body
  const before = document.activeElement
  const field = document.createElement('textarea')
  field.value = text
  field.className = 'hidden'
  within.append(field)
  field.select()
  const isCopied = document.execCommand('copy')
  field.remove()
  if (before instanceof HTMLElement) before.focus()
  return isCopied
}
