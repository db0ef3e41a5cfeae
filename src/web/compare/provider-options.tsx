import { textOf } from '../format/text.ts'
import { useState } from 'preact/hooks'
import { ChoiceField, Field, TextField, type Wrong } from './form-field.tsx'

/** A JSON Schema as the API describes one provider's own options. */
interface Schema {
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly description?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly minimum?: number
  readonly maximum?: number
  /** To one of the definitions of the whole. */
  readonly $ref?: string
  readonly $defs?: Definitions
}

type Definitions = Readonly<Record<string, Schema>>
type Options = Readonly<Record<string, unknown>>

interface ProviderOptionsProps {
  readonly provider: string
  readonly title: string
  readonly schema: Schema | undefined
  readonly options: Options
  /** What is wrong with them, by the path of the request. */
  readonly wrong: Wrong
  readonly onOptions: (options: Options) => void
}

/** A schema, or the definition that it refers to. */
function followed(schema: Schema, definitions: Definitions = {}): Schema {
  const named = schema.$ref === undefined ? undefined : definitions[schema.$ref.replace('#/$defs/', '')]
  return named === undefined ? schema : { ...named, ...(schema.description === undefined ? {} : { description: schema.description }) }
}

export const pathOfOptions = (provider: string): string => `provider_options.${provider}`

/** What one provider takes beyond the request's fields, as fields. */
export function ProviderOptions({ provider, title, schema = {}, options, wrong, onOptions }: ProviderOptionsProps) {
  const whole = followed(schema, schema.$defs)
  if (Object.keys(whole.properties ?? {}).length === 0) return <p class="small two">{title} has no options of its own for this model.</p>
  return (
    <div class="option-fields" role="group" aria-label={`Options of ${title}`}>
      <OptionFields
        id={provider}
        path={pathOfOptions(provider)}
        label=""
        schema={whole}
        definitions={schema.$defs}
        options={options}
        wrong={wrong}
        onOptions={onOptions}
      />
    </div>
  )
}

interface OptionFieldsProps {
  readonly id: string
  readonly path: string
  /** Of the object that they belong to; nothing for the outermost. */
  readonly label: string
  readonly schema: Schema
  readonly definitions: Definitions | undefined
  readonly options: Options
  readonly wrong: Wrong
  readonly onOptions: (options: Options) => void
}

/** The fields of an object; those of an object within it stand beside them, under both names. */
function OptionFields({ id, path, label, schema, definitions, options, wrong, onOptions }: OptionFieldsProps) {
  const set = (name: string, value: unknown) => {
    const { [name]: _, ...others } = options
    onOptions(value === undefined ? others : { ...others, [name]: value })
  }
  return (
    <>
      {Object.entries(schema.properties ?? {}).map(([name, property]) => {
        const field = followed(property, definitions)
        const of = { id: `${id}-${name}`, path: `${path}.${name}`, label: `${label}${name}` }
        return field.properties === undefined ? (
          <OptionField
            key={name}
            {...of}
            schema={field}
            value={options[name]}
            wrong={wrong[of.path]}
            onValue={(value) => set(name, value)}
          />
        ) : (
          <OptionFields
            key={name}
            {...of}
            label={`${of.label}.`}
            schema={field}
            definitions={definitions}
            options={(options[name] ?? {}) as Options}
            wrong={wrong}
            onOptions={(next) => set(name, Object.keys(next).length === 0 ? undefined : next)}
          />
        )
      })}
    </>
  )
}

interface OptionProps {
  readonly id: string
  readonly label: string
  readonly schema: Schema
  readonly value: unknown
  readonly wrong: string | undefined
  readonly onValue: (value: unknown) => void
}

const DEFAULT = ['', 'as the provider does'] as const

function OptionField({ schema, value, onValue, ...named }: OptionProps) {
  const field = { ...named, below: belowOf(schema) }
  const values = schema.const === undefined ? schema.enum : [schema.const]
  if (values !== undefined)
    return (
      <ChoiceField
        {...field}
        value={textOf(value)}
        choices={[DEFAULT, ...values.map((one) => [textOf(one), textOf(one)] as const)]}
        onValue={(text) => onValue(values.find((one) => textOf(one) === text))}
      />
    )
  switch (schema.type) {
    case 'boolean':
      return (
        <ChoiceField
          {...field}
          value={textOf(value)}
          choices={[DEFAULT, ['true', 'on'], ['false', 'off']]}
          onValue={(text) => onValue(text === '' ? undefined : text === 'true')}
        />
      )
    case 'string':
      return <TextField {...field} value={textOf(value)} onValue={(text) => onValue(text === '' ? undefined : text)} />
    case 'integer':
    case 'number':
      return <NumberField {...field} value={value} onValue={onValue} />
    default:
      return <JsonField {...field} value={value} onValue={onValue} />
  }
}

/** What the schema says of it, and its bounds. */
function belowOf({ description, minimum, maximum, type }: Schema): string {
  const most = maximum === undefined || maximum >= Number.MAX_SAFE_INTEGER ? undefined : maximum
  const bounds =
    minimum !== undefined && most !== undefined
      ? `${minimum} to ${most}.`
      : minimum !== undefined
        ? `From ${minimum}.`
        : most !== undefined
          ? `To ${most}.`
          : ''
  const kind = type === 'array' || type === 'object' ? 'As JSON.' : ''
  return [description ?? '', bounds, kind].filter((part) => part !== '').join(' ')
}

type WrittenProps = Omit<OptionProps, 'schema'> & { readonly below: string }

/** A number as it is typed: what is none is sent as the text it is, and refused below the field. */
function NumberField({ value, onValue, ...field }: WrittenProps) {
  const [text, setText] = useState(textOf(value))
  const type = (typed: string) => {
    setText(typed)
    const number = Number(typed)
    onValue(typed.trim() === '' ? undefined : Number.isFinite(number) ? number : typed)
  }
  return <TextField {...field} inputMode="decimal" value={text} onValue={type} />
}

/** Lists and objects without named fields, as JSON. What is no JSON yet is not sent. */
function JsonField({ id, label, value, wrong, below, onValue }: WrittenProps) {
  const [text, setText] = useState(value === undefined ? '' : JSON.stringify(value))
  const [isWrong, setIsWrong] = useState(false)
  const said = isWrong ? 'This is no JSON yet.' : wrong
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
    <Field id={id} label={label} wrong={said} below={below}>
      <input
        id={id}
        class="control"
        autocomplete="off"
        value={text}
        aria-invalid={said === undefined ? undefined : true}
        onInput={(event) => type(event.currentTarget.value)}
      />
    </Field>
  )
}
