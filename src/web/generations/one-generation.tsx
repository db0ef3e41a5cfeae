export function OneGeneration(props: { readonly id: string }) {
  return <main data-of={Object.values(props)[0]} />
}
