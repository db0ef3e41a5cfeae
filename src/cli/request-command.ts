import type { Command } from 'commander'
import { decimal, each, gatewayCommand, names, wholeNumber } from './options.ts'

/** A verb that takes a whole request: the prompt and every field as a flag, read by `requestFromOptions`. */
export const requestCommand = (name: string, description: string): Command =>
  gatewayCommand(name, description)
    .argument('<prompt>', 'what to show; `-` reads it from standard input')
    .requiredOption('--model <model>', 'a model of `imagegate models`, an alias, or provider/model')
    .option('--width <pixels>', 'with --height', wholeNumber)
    .option('--height <pixels>', 'with --width', wholeNumber)
    .option('--aspect-ratio <w:h>', 'shape instead of a size, for example 3:2')
    .option('--megapixels <number>', 'size instead of width and height', decimal)
    .option('-n, --count <number>', 'how many images', wholeNumber)
    .option('--seed <number>', 'the same seed repeats an image where the vendor can', wholeNumber)
    .option('--format <format>', 'jpeg, png or webp')
    .option('--quality <number>', '20 to 99', wholeNumber)
    .option('--safety <number>', '0 (strictest) to 6', wholeNumber)
    .option('--upsampling', 'let the vendor rewrite the prompt')
    .option('--no-upsampling', 'keep the prompt as it is')
    .option('--guidance <number>', '1.5 to 10', decimal)
    .option('--steps <number>', '1 to 50', wholeNumber)
    .option('--strict', 'refuse where anything would have to be adapted')
    .option('--ref <image>', 'reference image: a file, an https URL or an img_… id; several keep their order', each)
    .option('--provider <id>', 'this provider only')
    .option('--only <ids>', 'no other providers than these', names)
    .option('--order <ids>', 'try these providers first, in this order', names)
    .option('--option <provider.name=value>', 'what one vendor takes beyond these; several', each)
