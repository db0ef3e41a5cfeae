import { useQuery } from '@tanstack/preact-query'
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { Generation, Image } from '../../client/index.ts'
import { Icon } from '../parts/icon.tsx'
import { partText } from '../parts/billed-text.ts'
import { Note } from '../parts/note.tsx'
import { Problem } from '../parts/problem.tsx'
import { State, stateWord } from '../parts/state.tsx'
import { isOpen, shownState } from '../parts/shown-state.ts'
import { When } from '../parts/when.tsx'
import { STEPS_MS } from '../compare/follow.ts'
import { adaptedText } from '../compare/price-sentence.ts'
import { duration } from '../format/facts.ts'
import { textOf } from '../format/text.ts'
import { client, isAway, queries, useTitles } from '../shell/gateway.ts'
import { useIsPhone } from '../shell/media.ts'
import { useIsSlow } from '../shell/slow.ts'
import { followPartial, forgetPartial } from '../shell/partials.ts'
import { useStream } from '../shell/stream.ts'
import { CopyAs } from '../compare/copy-as.tsx'
import { askAgain } from '../compare/asking.ts'
import { wholeRequest } from '../compare/whole-request.ts'
import { Facts } from './facts.tsx'
import { SameSeed } from './same-seed.tsx'
import { CostLines } from './cost-lines.tsx'
import { Deliveries } from './deliveries.tsx'
import { Elsewhere } from './elsewhere.tsx'
import { Stage } from './stage.tsx'
import { Story } from './story-list.tsx'
import { Title } from './title.tsx'
import '../styles/columns.css'
import '../styles/one-generation.css'

const WHILE_OPEN_MS = 1_000

/** The generation, brought up to date by its events while it is open. */
function useGeneration(id: string) {
  const [asksAgain, setAsksAgain] = useState(false)
  const queryKey = ['generation', id]
  const generation = useQuery({
    queryKey,
    queryFn: () => client().get(id),
    refetchInterval: ({ state }) => (state.data === undefined || !isOpen(state.data.status) ? false : asksAgain ? WHILE_OPEN_MS : STEPS_MS),
  })
  const isRefused = useStream(
    id,
    generation.data !== undefined && isOpen(generation.data.status),
    (of, options) => client().stream(of, options),
    (event) => {
      if (event.kind === 'end') {
        forgetPartial(id)
        queries.setQueryData(queryKey, event.generation)
        return
      }
      followPartial(id, event)
      if (event.type !== 'progress' && event.type !== 'partial_image') void queries.invalidateQueries({ queryKey })
      else if (event.type === 'progress')
        queries.setQueryData<Generation>(queryKey, (before) => (before === undefined ? undefined : { ...before, progress: event.progress }))
    },
  )
  useEffect(() => setAsksAgain(isRefused), [isRefused])
  return generation
}

export function OneGeneration({ id }: { readonly id: string }) {
  const titles = useTitles()
  const isPhone = useIsPhone()
  const { data, error } = useGeneration(id)
  const [at, setAt] = useState(0)
  useEffect(() => {
    if (data !== undefined) document.title = `${textOf(data.request['prompt']).slice(0, 60)} · imagegate`
  }, [data])
  if (error !== null && data === undefined && !isAway(error))
    return (
      <main id="content" class="narrow">
        <h1 class="title">Not here</h1>
        <Problem error={error} />
        <a href="/generations">To all generations</a>
      </main>
    )
  if (data === undefined) return <Frame />
  const state = <State shown={shownState(data)} word={stateWord(data)} />
  const image = data.images[at]
  const stage = <Stage generation={data} title={titles(data.provider)} at={at} onAt={setAt} />
  const actions = <Actions generation={data} image={image} />
  return (
    <main id="content" class="narrow one">
      {isPhone ? (
        <>
          <p class="small crumbs">
            <a href="/generations">
              <Icon name="left" /> Generations
            </a>
            {state}
          </p>
          {stage}
        </>
      ) : (
        <p class="small crumbs">
          <span>
            <a href="/generations">Generations</a> / <span class="mono two">{id}</span>
          </span>
        </p>
      )}
      <Top generation={data} actions={isPhone ? null : actions} />
      <div class="one-grid">
        {isPhone ? null : stage}
        <div class="one-side">
          <div class="one-state">
            {isPhone ? null : state}
            <span class="small two">
              <When at={data.created_at} />
              {data.timing.total_ms === null ? '' : `, in ${duration(data.timing.total_ms)}`}
            </span>
          </div>
          <CostLines generation={data} title={titles(data.provider)} isPhone={isPhone} />
          {isPhone ? actions : null}
          <Elsewhere generation={data} titles={titles} />
          <Facts generation={data} title={titles(data.provider)} image={image} />
          <Warnings generation={data} />
        </div>
      </div>
      <div class="one-grid below">
        <Story generation={data} titles={titles} />
        <Deliveries id={id} isOpen={isOpen(data.status)} />
      </div>
      <details class="json">
        <summary class="small">As the API has it</summary>
        <pre class="mono" tabIndex={0}>
          {JSON.stringify(data, null, 2)}
        </pre>
      </details>
    </main>
  )
}

/** Before the generation is here: after a moment its frame, with an empty slot. */
function Frame() {
  const isSlow = useIsSlow(true)
  return (
    <main id="content" class="narrow one" aria-busy="true">
      {isSlow ? (
        <div class="one-grid">
          <div class="slot waiting" style={{ aspectRatio: '3 / 2' }} />
          <div class="one-side" />
        </div>
      ) : null}
    </main>
  )
}

/** The prompt, with what can be done beside it; on a phone that stands below what it cost. */
function Top({ generation, actions }: { readonly generation: Generation; readonly actions: ComponentChildren }) {
  const { request, prompt_used: used } = generation
  const prompt = textOf(request['prompt'])
  return (
    <>
      <div class="one-head">
        <Title prompt={prompt} />
        {actions}
      </div>
      {used === null || used === prompt ? null : (
        <p class="small two rewritten prompt-said" tabIndex={0}>
          Rewritten by the provider to: “<bdi>{used}</bdi>”
        </p>
      )}
    </>
  )
}

function Actions({ generation, image }: { readonly generation: Generation; readonly image: Image | undefined }) {
  const { id, comparison } = generation
  const whole = wholeRequest(generation)
  const [refused, setRefused] = useState<string | null>(null)
  return (
    <div class="one-actions">
      <SameSeed generation={generation} onRefused={setRefused} />
      {comparison === null ? (
        <button type="button" class="button compact" onClick={() => askAgain(whole)}>
          <Icon name="compare" />
          Compare providers
        </button>
      ) : (
        <a class="button compact" href={`/?c=${comparison}`}>
          <Icon name="compare" />
          Its comparison
        </a>
      )}
      <CopyAs request={whole} provider={generation.provider} />
      {image === undefined ? null : (
        <a
          class="button compact save"
          href={client().imageAddress(image)}
          download={`${id}.${image.format ?? 'jpg'}`}
          aria-label="Save the image"
        >
          <Icon name="save" />
        </a>
      )}
      {refused === null ? null : (
        <Note kind="red" alert>
          {refused}
        </Note>
      )}
    </div>
  )
}

function Warnings({ generation }: { readonly generation: Generation }) {
  const model = useQuery({ queryKey: ['model', generation.model], queryFn: () => client().model(generation.model), staleTime: 60_000 }).data
  const isPart = shownState(generation) === 'part'
  const text = adaptedText(
    // How many are missing is said once, and why in words.
    generation.warnings.filter(({ field }) => !(isPart && field === 'n')),
    model?.offers.find(({ provider }) => provider === generation.provider),
  )
  return (
    <>
      {isPart ? <Note kind="amber">{partText(generation)}</Note> : null}
      {text === '' ? null : (
        <Note kind="amber">
          <b>Adapted:</b> {text}
        </Note>
      )}
    </>
  )
}
