const CONFIGURATION = {
  url: '/openapi.json',
  theme: 'none' as const,
  withDefaultFonts: false,
  hideClientButton: true,
  showDeveloperTools: 'never' as const,
  telemetry: false,
  // Both would send the document elsewhere.
  agent: { disabled: true },
  mcp: { disabled: true },
  // The theme is that of the pages, chosen there.
  hideDarkModeToggle: true,
}

/**
 * Before the reference is loaded: its styles, a part of which it makes without the nonce of the page or as attributes, pass the policy, and its
 * attempt to compile text ends before the browser has to refuse and report it.
 */
export const PREPARE = `const nonce = document.head.querySelector('meta[property=csp-nonce]').content
const create = document.createElement
document.createElement = function (name, options) {
  const element = create.call(this, name, options)
  if (String(name).toLowerCase() === 'style') element.nonce = nonce
  return element
}
const set = Element.prototype.setAttribute
Element.prototype.setAttribute = function (name, value) {
  if (String(name).toLowerCase() === 'style' && this.style) this.style.cssText = value
  else set.call(this, name, value)
}
const html = Object.getOwnPropertyDescriptor(Element.prototype, 'innerHTML')
Object.defineProperty(Element.prototype, 'innerHTML', {
  ...html,
  set(text) {
    html.set.call(this, String(text).replace(/(<[^<>]*) style="/g, '$1 data-style="'))
    for (const element of this.querySelectorAll('[data-style]')) element.style.cssText = element.dataset.style
  },
})
const refuse = () => { throw new EvalError('text is not compiled here') }
window.Function = new Proxy(Function, { apply: refuse, construct: refuse })
`

/** A file and not a script in the page, which the policy refuses. The reference takes its theme once; what is chosen later, here or in another tab, is put on the page. */
export const START = `const media = matchMedia('(prefers-color-scheme: dark)')
const isDark = () => {
  let theme = null
  try { theme = localStorage.getItem('imagegate.theme') } catch {}
  return theme === 'dark' || (theme !== 'light' && media.matches)
}
Scalar.createApiReference('#app', { ...${JSON.stringify(CONFIGURATION)}, forceDarkModeState: isDark() ? 'dark' : 'light' })
const show = () => {
  const [shown, other] = isDark() ? ['dark-mode', 'light-mode'] : ['light-mode', 'dark-mode']
  if (!document.body.classList.contains(shown)) document.body.classList.add(shown)
  if (document.body.classList.contains(other)) document.body.classList.remove(other)
}
media.addEventListener('change', show)
addEventListener('storage', show)
// The reference puts its first theme back when that of the system changes.
new MutationObserver(show).observe(document.body, { attributeFilter: ['class'] })
`

/**
 * What the reference leaves out: names of its buttons that copy and of its boxes of answers, each with its operation; the focus of lists that
 * scroll. In the command of a form it writes a header without the boundary, which curl itself would write, and each text as `--form`, for which
 * curl reads what follows a semicolon as a type.
 */
export const MEND = `const operationOf = (part) => part.closest('section')?.querySelector('h3')?.textContent.trim() ?? 'imagegate'
const each = (parts, action) => document.querySelectorAll(parts).forEach(action)
const asText = (line) => line.replace(/^( *)--form (?='[^'=]+=[^@])/, '$1--form-string ')
const isHeader = (text) => /^ *--header 'Content-Type: multipart.form-data'/.test(text)
function mend() {
  each('.scalar-code-copy:not([aria-label])', (button) => button.setAttribute('aria-label', 'Copy, ' + operationOf(button)))
  each('.response-card[aria-labelledby]', (card) => {
    card.removeAttribute('aria-labelledby')
    card.setAttribute('aria-label', 'Example answers, ' + operationOf(card))
  })
  each('.endpoints:not([tabindex])', (list) => list.setAttribute('tabindex', '0'))
  each('code.language-curl', (command) => {
    if (!command.textContent.includes(" --form '")) return
    for (const line of command.querySelectorAll('.line')) {
      if (isHeader(line.textContent)) line.remove()
      else if (asText(line.textContent) !== line.textContent) line.textContent = asText(line.textContent)
    }
  })
}
const clipboard = navigator.clipboard
if (clipboard) {
  const write = clipboard.writeText.bind(clipboard)
  clipboard.writeText = (text) =>
    write(text.startsWith('curl ') && text.includes(" --form '") ? text.split('\\n').filter((line) => !isHeader(line)).map(asText).join('\\n') : text)
}
// Once a while and not with each of the thousand parts that are drawn after one another.
let timer = 0
const soon = () => { timer ||= setTimeout(() => { timer = 0; mend() }, 200) }
new MutationObserver(soon).observe(document.getElementById('app'), { childList: true, subtree: true })
`
