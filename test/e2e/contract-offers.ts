import { readManifest } from '../support/installed-providers.ts'

/** An offer as the contract's table of providers and models promises it, and what one image of it costs. */
export interface ContractOffer {
  readonly provider: string
  readonly model: string
  /** The vendor's own id. */
  readonly vendorModel: string
  /** US dollars before the purchase; null where nobody publishes a price, or tokens cannot be known beforehand. */
  readonly quoted: string | null
  /** The same for a square of 1408 pixels a side, 1.89 megapixels, at the nearest that the offer sells. */
  readonly quotedTwo: string | null
  /** The same as `quoted` with one reference of 1024 x 1024; `none` where the offer takes no reference. */
  readonly quotedEdit: string | null
  /** US dollars after it; null where neither the vendor nor a published price says it. */
  readonly amount: string | null
  readonly basis: string
}

/**
 * Written by hand from the vendors' pages, never from a manifest: provider, model, the vendor's id, three quotes, amount, basis, for one image
 * of the usual size (1024 x 1024, or 1:1 at 1K; FLUX 1.1 ultra draws four megapixels alone) and a prompt of 20 characters.
 *
 * Of two megapixels the first costs its own amount and the second that of a further one. Nearest to 1.89 megapixels is 1K where 1K and 2K are
 * sold (at Runware 1024 x 1024 is the largest of FLUX 3), and 1.5K where that is sold too.
 *
 * Metered: text is counted at four characters a token, so 5 tokens. gpt-image-2 and 2.6: 5 x 5 + 1,024 x 30 dollars per million; 1.5:
 * 5 x 5 + 1,024 x 32; mini: 5 x 2 + 1,024 x 8. At fal 20 x 5 + 1,800 x 30. Gemini: 5 of text, 1,120 (2.5: 1,290) of the image, 200 thoughts:
 * 2.1 at 1.50, 30 and 7.50; pro at 2, 120 and 12; 2.5 at 0.30, 30 and 2.50. fal counts klein in megapixels of a million pixels, 1.049 of them.
 */
const TABLE = `
bfl         flux-2-pro              flux-2-pro                            0.03    0.045   0.045    0.03       billed
bfl         flux-2-flex             flux-2-flex                           0.05    0.1     0.1      0.05       billed
bfl         flux-2-max              flux-2-max                            0.07    0.1     0.1      0.07       billed
bfl         flux-2-klein-4b         flux-2-klein-4b                       0.014   0.015   0.015    0.014      billed
bfl         flux-2-klein-9b         flux-2-klein-9b                       0.015   0.017   0.017    0.015      billed
bfl         flux-3-image            flux-3-image                          0.048   –       –        0.048      billed
bfl         flux-kontext-pro        flux-kontext-pro                      0.04    0.04    0.04     0.04       billed
bfl         flux-kontext-max        flux-kontext-max                      0.08    0.08    0.08     0.08       billed
bfl         flux-1.1-pro            flux-pro-1.1                          0.04    0.04    0.04     0.04       billed
bfl         flux-1.1-pro-ultra      flux-pro-1.1-ultra                    0.06    0.06    0.06     0.06       billed
runware     flux-2-pro              bfl:5@1                               0.03    0.045   0.045    0.03       billed
runware     flux-2-flex             bfl:6@1                               0.06    0.12    0.12     0.06       billed
runware     flux-2-max              bfl:7@1                               0.07    0.1     0.1      0.07       billed
runware     flux-2-klein-4b         runware:400@4                         –       –       –        0.0006     billed
runware     flux-2-klein-9b         runware:400@2                         –       –       –        0.00078    billed
runware     flux-3-image            bfl:flux@3-image                      0.048   0.048   –        0.048      billed
runware     flux-kontext-pro        bfl:3@1                               0.04    0.04    0.04     0.04       billed
runware     flux-kontext-max        bfl:4@1                               0.08    0.08    0.08     0.08       billed
runware     flux-1.1-pro            bfl:2@1                               0.04    0.04    none     0.04       billed
runware     flux-1.1-pro-ultra      bfl:2@2                               0.06    0.06    none     0.06       billed
vtrix       flux-2-pro              flux_2_pro                            –       –       –        0.0285     billed
vtrix       flux-1.1-pro            flux_pro_11                           –       –       –        0.038      billed
fal         flux-2-pro              fal-ai/flux-2-pro                     0.03    0.045   0.045    0.03       computed
fal         flux-2-flex             fal-ai/flux-2-flex                    0.05    0.1     0.1      0.05       computed
fal         flux-2-max              fal-ai/flux-2-max                     0.07    0.1     0.1      0.07       computed
fal         flux-2-dev              fal-ai/flux-2                         0.012   0.024   0.024    0.012      computed
fal         flux-2-klein-4b         fal-ai/flux-2/klein/4b                0.005   0.01    none     0.005245   metered
fal         flux-2-klein-9b         fal-ai/flux-2/klein/9b                0.006   0.012   none     0.006294   metered
fal         flux-3-image            blackforestlabs/flux-3                0.048   0.048   –        0.048      computed
fal         flux-kontext-pro        fal-ai/flux-pro/kontext               0.04    0.04    0.04     0.04       metered
fal         flux-kontext-max        fal-ai/flux-pro/kontext/max           0.08    0.08    0.08     0.08       computed
fal         flux-1.1-pro            fal-ai/flux-pro/v1.1                  –       –       none     –          unknown
fal         flux-1.1-pro-ultra      fal-ai/flux-pro/v1.1-ultra            0.06    0.06    0.06     0.06       computed
fal         gpt-image-2             openai/gpt-image-2                    –       –       –        0.0541     metered
replicate   flux-2-pro              black-forest-labs/flux-2-pro          0.03    0.045   0.045    0.03       computed
replicate   flux-2-flex             black-forest-labs/flux-2-flex         0.06    0.12    0.12     0.06       computed
replicate   flux-2-max              black-forest-labs/flux-2-max          0.07    0.1     0.1      0.07       computed
replicate   flux-2-dev              black-forest-labs/flux-2-dev          0.012   0.024   0.024    0.012      computed
replicate   flux-2-klein-4b         black-forest-labs/flux-2-klein-4b     0.001   0.002   0.002    0.001      computed
replicate   flux-2-klein-9b         black-forest-labs/flux-2-klein-9b     0.015   0.03    0.017    0.015      computed
replicate   flux-3-image            black-forest-labs/flux-3-image        –       –       –        –          unknown
replicate   flux-kontext-pro        black-forest-labs/flux-kontext-pro    0.04    0.04    0.04     0.04       computed
replicate   flux-kontext-max        black-forest-labs/flux-kontext-max    0.08    0.08    0.08     0.08       computed
replicate   flux-1.1-pro            black-forest-labs/flux-1.1-pro        0.04    0.04    none     0.04       computed
replicate   flux-1.1-pro-ultra      black-forest-labs/flux-1.1-pro-ultra  0.06    0.06    none     0.06       computed
openai      gpt-image-2             gpt-image-2                           –       –       –        0.030745   metered
openai      gpt-image-1.5           gpt-image-1.5                         –       –       –        0.032793   metered
openai      gpt-image-1-mini        gpt-image-1-mini                      –       –       –        0.008202   metered
openai      gpt-image-2.6-sunburst  gpt-image-2.6-sunburst                –       –       –        0.030745   metered
openai      gpt-image-2.6-flare     gpt-image-2.6-flare                   –       –       –        0.030745   metered
gemini      gemini-nano-banana-2.1  gemini-nano-banana-2.1                0.0336  0.0336  –        0.0351075  metered
gemini      gemini-3-pro-image      gemini-3-pro-image                    0.1344  0.1344  0.13552  0.13681    metered
gemini      gemini-2.5-flash-image  gemini-2.5-flash-image                0.0387  0.0387  –        0.0392015  metered
openrouter  flux-2-pro              black-forest-labs/flux.2-pro          0.03    0.03    0.045    0.03       billed
openrouter  flux-2-flex             black-forest-labs/flux.2-flex         0.06    0.06    0.12     0.06       billed
openrouter  flux-2-max              black-forest-labs/flux.2-max          0.07    0.07    0.1      0.07       billed
openrouter  flux-2-klein-4b         black-forest-labs/flux.2-klein-4b     0.014   0.014   –        0.014      billed
openrouter  flux-3-image            black-forest-labs/flux-3-image        0.048   0.07    –        0.048      billed
openrouter  gpt-image-2             openai/gpt-image-2                    –       –       –        0.0431     billed
openrouter  gemini-nano-banana-2.1  google/gemini-nano-banana-2.1         0.0336  0.0336  –        0.0336     billed
together    flux-2-pro              black-forest-labs/FLUX.2-pro          –       –       –        –          unknown
together    flux-2-flex             black-forest-labs/FLUX.2-flex         –       –       –        –          unknown
together    flux-2-max              black-forest-labs/FLUX.2-max          –       –       none     –          unknown
together    flux-2-dev              black-forest-labs/FLUX.2-dev          –       –       –        –          unknown
together    flux-kontext-pro        black-forest-labs/FLUX.1-kontext-pro  –       –       –        –          unknown
together    flux-kontext-max        black-forest-labs/FLUX.1-kontext-max  –       –       –        –          unknown
together    flux-1.1-pro            black-forest-labs/FLUX.1.1-pro        –       –       none     –          unknown
deepinfra   flux-2-dev              black-forest-labs/FLUX-2-dev          –       –       none     –          unknown
deepinfra   flux-1.1-pro            black-forest-labs/FLUX-1.1-pro        –       –       none     –          unknown
wavespeed   flux-2-pro              wavespeed-ai/flux-2-pro               –       –       –        –          unknown
wavespeed   flux-2-flex             wavespeed-ai/flux-2-flex              0.06    0.06    –        0.06       computed
wavespeed   flux-2-max              wavespeed-ai/flux-2-max               0.07    0.07    –        0.07       computed
wavespeed   flux-2-dev              wavespeed-ai/flux-2-dev               0.012   0.012   –        0.012      computed
wavespeed   flux-2-klein-9b         wavespeed-ai/flux-2-klein-9b          0.01    0.01    none     0.01       computed
`

const dollars = (cell: string): string | null => (cell === '–' ? null : cell)

export const OFFERS: readonly ContractOffer[] = TABLE.trim()
  .split('\n')
  .map((line) => {
    const [provider = '', model = '', vendorModel = '', one = '', two = '', edit = '', amount = '', basis = ''] = line.split(/ +/)
    const [quoted, quotedTwo, quotedEdit] = [dollars(one), dollars(two), dollars(edit)]
    return { provider, model, vendorModel, quoted, quotedTwo, quotedEdit, amount: dollars(amount), basis }
  })

const endOf = ({ provider, model }: ContractOffer): string | undefined => readManifest(provider).models[model]?.retires_on

/** Those whose day of retirement has not come. */
export const offersSoldOn = (day: Date): readonly ContractOffer[] =>
  OFFERS.filter((offer) => (endOf(offer) ?? '9999') > day.toISOString().slice(0, 10))
