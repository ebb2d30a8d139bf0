/** A model and texts in, the tokens that it reads out: as its training gave them, with the tokens of its template. */
import type { ReadTokens } from './attention.ts';
import type { Opened } from './open.ts';

/** An encoder-decoder also writes: its target is what it says itself (greedily). A pair of texts is one row of a BERT. */
export async function readTexts(
  { pretrained, tokenizer }: Opened,
  texts: (string | readonly [string, string])[],
): Promise<(ReadTokens & { title: string })[]> {
  const title = (text: string | readonly [string, string]) => [text].flat().join(' / ');
  if (pretrained.config.family === 'marian' || pretrained.config.family === 'transformer') {
    const { Translator } = await import('./translate.ts');
    const translator = await Translator.open(pretrained, tokenizer);
    const said = await translator.run(texts.map(title));
    return said.map(({ source, target, text }, i) => ({ ids: source, target, title: `${title(texts[i]!)} → ${text}` }));
  }
  return texts.map((text) => {
    const [first, pair] = typeof text === 'string' ? [text] : text;
    const { ids, typeIds } = tokenizer.encode(first!, pair === undefined ? {} : { pair });
    return { ids, typeIds, title: title(text) };
  });
}
