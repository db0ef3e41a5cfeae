import type { Generation } from '../../client/index.ts'
import { billedText } from './billed-text.ts'

export const Billed = ({ of }: { readonly of: Pick<Generation, 'error' | 'cost'> }) => <b>{billedText(of)}</b>
