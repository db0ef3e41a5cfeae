import { useIsPhone } from './media.ts'

export function SandboxNote() {
  const isPhone = useIsPhone()
  return (
    <div class="sandbox" role="note" aria-label="Sandbox">
      <span class="plate">Sandbox</span>
      {isPhone ? (
        <span>Emulated. Nothing is spent.</span>
      ) : (
        <span>
          No vendor key is set, so every vendor is emulated here: real prices, drawn images, nothing spent.{' '}
          <a href="/providers#keys">Add a key</a>
        </span>
      )}
    </div>
  )
}
