/** A model and token rows in, who looked at whom out: the attention weights of chosen layers and heads. */
import { MillraceError } from '../errors.ts';
import type { Pretrained } from '../pretrained/open.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { type Feeds, Session } from '../train/session.ts';
import { contextOf, type GeneratorOptions, type Opened, openWithTokenizer } from './open.ts';

/** What a model has read. */
export interface ReadTokens {
  ids: ArrayLike<number>;
  /** BERT: 0 for the first text, 1 for the second. */
  typeIds?: ArrayLike<number> | undefined;
  /** Encoder-decoders: what the decoder has read, its start token first. */
  target?: ArrayLike<number> | undefined;
}

/** What `attention` takes. */
export interface AttentionOptions extends GeneratorOptions, AttentionChoice {
  rows: ReadTokens[];
}

/** Which layers and heads. */
export interface AttentionChoice {
  /** Counted from 1; all by default. */
  layers?: number[] | undefined;
  /** Counted from 1; all by default. */
  heads?: number[] | undefined;
}

/** One kind of attention of one text: who looks, who is looked at, and how much. */
export interface AttentionWeights {
  /** `self-attention`, or of encoder-decoders `encoder`, `decoder` and `decoder to source`. */
  name: string;
  /** Tokens that look, and that are looked at, as text. */
  queries: string[];
  keys: string[];
  heads: { layer: number; head: number; weights: Float32Array }[];
}

/**
 * @example
 * const [maps] = await attention({ checkpoint: 'runs/bert', rows: [{ ids: tokenizer.ids('the whale') }], layers: [1] });
 */
export async function attention(options: AttentionOptions): Promise<AttentionWeights[][]> {
  const opened = await openWithTokenizer(options);
  try {
    return await attentionOf(opened, options);
  } finally {
    await opened.pretrained.weights.close();
  }
}

/** The same of a model that is open already. */
export async function attentionOf(
  { pretrained, tokenizer }: Opened,
  { threads, rows, ...choice }: Omit<AttentionOptions, 'checkpoint'>,
): Promise<AttentionWeights[][]> {
  const { model, weights } = pretrained;
  const session = Session.create({ parameters: model.parameters, threads });
  const optional = (name: string) => model.parameters.some((p) => p.name === name && p.buffer === true);
  await weights.each(model.parameters, (name, values, start) => session.write('weight', name, values, start), {
    optional,
  });
  const found: AttentionWeights[][] = [];
  for (const row of rows) found.push(await ofRow({ session, pretrained, tokenizer, row, choice }));
  return found;
}

interface RowContext {
  session: Session;
  pretrained: Pretrained;
  tokenizer: Tokenizer;
  row: ReadTokens;
  choice: AttentionChoice;
}

async function ofRow({ session, pretrained, tokenizer, row, choice }: RowContext): Promise<AttentionWeights[]> {
  const most = contextOf(pretrained) ?? Number.POSITIVE_INFINITY;
  const [ids, target] = [Array.from(row.ids).slice(0, most), row.target && Array.from(row.target).slice(0, most)];
  const seqLen = target?.length ?? ids.length;
  const { model } = pretrained;
  const program = model.logitsProgram({ batchSize: 1, seqLen, sourceLen: ids.length, attentions: true });
  const wanted = outputsOf(program.outputs, choice);
  const loaded = await session.load(program, { outputs: wanted.map(({ output }) => output) });
  const ones = (length: number) => new Int32Array(length).fill(1);
  const feeds: Feeds = {
    input_ids: Int32Array.from(ids),
    attention_mask: ones(ids.length),
    token_type_ids: row.typeIds ? Int32Array.from(row.typeIds).slice(0, ids.length) : new Int32Array(ids.length),
    decoder_input_ids: Int32Array.from(target ?? []),
    decoder_attention_mask: ones(seqLen),
  };
  const outputs = await session.run(loaded, feeds);
  const source = labels(tokenizer, ids);
  const said = labels(tokenizer, target ?? []);
  const kinds: [prefix: string, name: string, queries: string[], keys: string[]][] = target
    ? [
        ['encoder_attention', 'encoder', source, source],
        ['attention', 'decoder', said, said],
        ['cross_attention', 'decoder to source', said, source],
      ]
    : [['attention', 'self-attention', source, source]];
  return kinds.map(([prefix, name, queries, keys]) => ({
    name,
    queries,
    keys,
    heads: wanted
      .filter(({ kind }) => kind === prefix)
      .flatMap(({ output, layer, heads }) => {
        const size = queries.length * keys.length;
        const all = outputs[output] as Float32Array;
        return heads.map((head) => ({ layer, head, weights: all.slice((head - 1) * size, head * size) }));
      }),
  }));
}

/** Outputs that hold attention of the chosen layers, with the chosen heads of each. @throws `usage` where there is no such layer or head. */
function outputsOf(outputs: { name: string; shape: number[] }[], { layers, heads }: AttentionChoice) {
  const all = outputs.flatMap(({ name, shape }) => {
    const [, kind, index] = /^((?:encoder_|cross_)?attention)\.(\d+)$/.exec(name) ?? [];
    return kind === undefined ? [] : [{ output: name, kind, layer: Number(index) + 1, count: shape[1]! }];
  });
  const most = { layer: Math.max(...all.map(({ layer }) => layer)), head: Math.max(...all.map(({ count }) => count)) };
  for (const [what, given] of [['layer', layers] as const, ['head', heads] as const]) {
    const wrong = given?.find((number) => number > most[what] || number < 1);
    if (wrong === undefined) continue;
    throw new MillraceError('usage', `there is no ${what} ${wrong}`, { hint: `${what}s are 1 to ${most[what]}` });
  }
  return all
    .filter(({ layer }) => layers?.includes(layer) ?? true)
    .map(({ count, ...rest }) => {
      const numbers = Array.from({ length: count }, (_, i) => i + 1);
      return { ...rest, heads: numbers.filter((head) => heads?.includes(head) ?? true) };
    });
}

/** Tokens as people read them: WordPiece's as they are, bytes decoded where they are whole characters, blanks visible. */
function labels(tokenizer: Tokenizer, ids: ArrayLike<number>): string[] {
  return Array.from(ids, (id) => {
    const token = tokenizer.idToToken(id) ?? `#${id}`;
    if (token.startsWith('##') || /^[[<].*[\]>]$/.test(token)) return token;
    const text = tokenizer.decode([id], { skipSpecialTokens: false });
    return (text === '' || text.includes('\ufffd') ? token : text).replaceAll(' ', '·').replaceAll('\n', '⏎');
  });
}
