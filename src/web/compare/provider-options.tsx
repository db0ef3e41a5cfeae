import { textOf } from '../format/text.ts'
import { useState } from 'preact/hooks'
import { ChoiceField, Field, TextField } from './form-field.tsx'

/** A JSON Schema as the API describes one provider's own options. */
interface Schema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly minimum?: number
  readonly maximum?: number
}

type Options = Readonly<Record<string, unknown>>

interface ProviderOptionsProps {
  readonly provider: string
  readonly title: string
  readonly schema: Schema | undefined
  readonly options: Options
  readonly onOptions: (options: Options) => void
}

/** What one provider takes beyond the request's fields, as fields. */
export function ProviderOptions({ provider, title, schema, options, onOptions }: ProviderOptionsProps) {
  const fields = Object.entries(schema?.properties ?? {})
  const set = (name: string, value: unknown) => {
    const { [name]: _, ...others } = options
    onOptions(value === undefined ? others : { ...others, [name]: value })
  }
  if (fields.length === 0) return <p class="small two">{title} has no options of its own for this model.</p>
  return (
    <div class="option-fields" role="group" aria-label={`Options of ${title}`}>
      {fields.map(([name, field]) => (
        <OptionField
          key={name}
          id={`${provider}-${name}`}
          name={name}
          schema={field}
          value={options[name]}
          onValue={(value) => set(name, value)}
        />
      ))}
    </div>
  )
}

interface OptionProps {
  readonly id: string
  readonly name: string
  readonly schema: Schema
  readonly value: unknown
  readonly onValue: (value: unknown) => void
}

const DEFAULT = ['', 'as the provider does'] as const

function OptionField({ id, name, schema, value, onValue }: OptionProps) {
  if (schema.type === 'boolean')
    return (
      <ChoiceField
        id={id}
        label={name}
        value={textOf(value)}
        choices={[DEFAULT, ['true', 'on'], ['false', 'off']]}
        onValue={(text) => onValue(text === '' ? undefined : text === 'true')}
      />
    )
  if (schema.enum !== undefined)
    return (
      <ChoiceField
        id={id}
        label={name}
        value={textOf(value)}
        choices={[DEFAULT, ...schema.enum.map((one) => [textOf(one), textOf(one)] as const)]}
        onValue={(text) => onValue(schema.enum?.find((one) => textOf(one) === text))}
      />
    )
  if (schema.type === 'string')
    return (
      <TextField
        id={id}
        label={name}
        value={typeof value === 'string' ? value : ''}
        onValue={(text) => onValue(text === '' ? undefined : text)}
      />
    )
  return <JsonField id={id} name={name} schema={schema} value={value} onValue={onValue} />
}

/** Numbers, lists and objects, as JSON. What is no JSON yet is not sent. */
function JsonField({ id, name, schema, value, onValue }: OptionProps) {
  const [text, setText] = useState(value === undefined ? '' : JSON.stringify(value))
  const [isWrong, setIsWrong] = useState(false)
  const type = (typed: string) => {
    setText(typed)
    try {
      onValue(typed.trim() === '' ? undefined : JSON.parse(typed))
      setIsWrong(false)
    } catch {
      setIsWrong(true)
    }
  }
  return (
    <Field
      id={id}
      label={name}
      wrong={isWrong ? 'This is no JSON yet.' : undefined}
      below={schema.type === undefined ? undefined : `${schema.type}, as JSON`}
    >
      <input id={id} class="control" autocomplete="off" value={text} onInput={(event) => type(event.currentTarget.value)} />
    </Field>
  )
}
