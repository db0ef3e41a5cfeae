import { useEffect, useState } from 'preact/hooks'
import { Problem } from '../parts/problem.tsx'
import { isOpen } from '../parts/shown-state.ts'
import { useAsking } from './asking.ts'
import { Form } from './form.tsx'
import { useGo } from './go.ts'
import { Lately } from './lately.tsx'
import { Results } from './results.tsx'
import '../styles/compare.css'
import '../styles/quotes.css'
import '../styles/columns.css'

export function Compare({ query }: { readonly query: string }) {
  const id = new URLSearchParams(query).get('c')
  const asking = useAsking(id)
  const { comparison, draft, change, model } = asking
  const [isOpened, setIsOpened] = useState(false)
  // Chosen before the start, or a vote on a new seed: nothing of its comparison is seen before the choice.
  const [isBlind, setIsBlind] = useState(false)
  useEffect(() => {
    if (id === null) setIsBlind(false)
  }, [id])
  const going = useGo(asking, () => setIsOpened(false))
  const hasResult = comparison.data?.summary.some(({ status }) => !isOpen(status)) ?? false
  const isFolded = id !== null && hasResult && !isOpened && Object.keys(going.wrong).length === 0
  const sameSeed = () => {
    const seed = draft.seed === '' ? (comparison.data?.generations.flatMap(({ images }) => images)[0]?.seed ?? '') : draft.seed
    change({ seed })
    void going.go(seed)
  }
  const newSeed = () => {
    change({ seed: '' })
    void going.go('')
  }
  return (
    <main id="content" class="compare">
      <h1 class="hidden">Compare</h1>
      <Form
        {...{ asking, going, isFolded }}
        isHidden={isBlind && comparison.data !== undefined}
        onOpen={setIsOpened}
        {...(id === null ? { blind: { isOn: isBlind, onSwitch: () => setIsBlind(!isBlind) } } : {})}
      />
      <Problem error={comparison.error} />
      {comparison.data !== undefined ? (
        <Results
          key={comparison.data.id}
          comparison={comparison.data}
          model={model}
          isBlind={isBlind}
          onBlind={setIsBlind}
          onSameSeed={going.isReady ? sameSeed : null}
          onNewSeed={going.isReady ? newSeed : null}
        />
      ) : id === null ? (
        <Lately
          onPrompt={(prompt) => {
            change({ prompt })
            document.getElementById('prompt')?.focus()
          }}
        />
      ) : null}
    </main>
  )
}
