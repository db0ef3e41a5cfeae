export function Providers() {
  return <main />
}
