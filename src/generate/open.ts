/** A path in, what generating needs out: a decoder with the weights in it, the tokenizer, and what its tokens are for. */
import { MillraceError } from '../errors.ts';
import { openPretrained, type Pretrained } from '../pretrained/open.ts';
import { Tokenizer } from '../tokenizer/tokenizer.ts';
import { Decoder } from './decoder.ts';

export interface GeneratorOptions {
  /** A run, a checkpoint or a Hugging Face folder. */
  checkpoint: string;
  /** The vocabulary's folder, where the checkpoint does not say. */
  vocab?: string | undefined;
  threads?: number | undefined;
}

export interface Opened {
  pretrained: Pretrained;
  tokenizer: Tokenizer;
}

/** The weights stay open: close them. */
export async function openWithTokenizer({ checkpoint, vocab }: GeneratorOptions): Promise<Opened> {
  const pretrained = await openPretrained({ path: checkpoint, vocab });
  try {
    if (pretrained.tokenizer === undefined) {
      throw new MillraceError('input', `${checkpoint} has no tokenizer.json beside it`, {
        hint: 'name the folder of its vocabulary with --vocab',
      });
    }
    const tokenizer = await Tokenizer.load(pretrained.tokenizer);
    const rows = pretrained.config.vocab_size;
    if (tokenizer.vocabSize > rows) {
      throw new MillraceError('input', `the vocabulary has ${tokenizer.vocabSize} tokens, the model ${rows}`, {
        hint: `${pretrained.tokenizer} is of another model`,
      });
    }
    return { pretrained, tokenizer };
  } catch (error) {
    await pretrained.weights.close();
    throw error;
  }
}

/** A decoder with room for so many tokens a row, the weights loaded. */
export async function loadDecoder(
  { model, weights }: Pretrained,
  sizes: { capacity: number; sourcePlaces?: number; threads?: number | undefined },
): Promise<Decoder> {
  const decoder = Decoder.create({ model, ...sizes });
  await weights.each(model.parameters, (name, values, start) => decoder.write(name, values, start), {
    optional: (name) => model.parameters.some((parameter) => parameter.name === name && parameter.buffer),
  });
  return decoder;
}

/** How many tokens a row of the model may have; undefined where it knows no limit. */
export function contextOf({ config }: Pretrained): number | undefined {
  if (config.family === 'gpt') return config.n_positions;
  return 'max_position_embeddings' in config ? config.max_position_embeddings : undefined;
}
