import { hasBannedWord } from './words.ts'
import { filesBelow, readText } from '../support/source-tree.ts'
for (const p of filesBelow(process.argv.slice(2),p=>/\.(ts|tsx|json|md|ya?ml)$/.test(p))) readText(p).split('\n').forEach((l,i)=>{ if(hasBannedWord(l)) console.log(`${p}:${i+1}: ${l.trim()}`)})
