export function Costs(props: { readonly query: string }) {
  return <main data-of={Object.values(props)[0]} />
}
