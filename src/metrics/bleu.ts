/**
 * Translations and references in, corpus BLEU out (Papineni et al. 2002), by the definition of sacreBLEU (Post 2018):
 * the tokenizer of mteval-v13a, n-grams up to 4, exponential smoothing of n-gram orders without a match.
 */
import { MillraceError } from '../errors.ts';

/** What `bleu` takes. */
export interface BleuOptions {
  hypotheses: string[];
  /** One list of references for each hypothesis. */
  references: string[][];
  /** `13a`: as WMT scores; `char`: each character a token, for Chinese; `none`: cut at spaces. */
  tokenize?: '13a' | 'char' | 'none';
  lowercase?: boolean;
}

/** A corpus BLEU score with its parts. */
export interface Bleu {
  /** 0 to 100. */
  score: number;
  /** Of 1-grams to 4-grams, in percent. */
  precisions: number[];
  brevityPenalty: number;
  hypothesisLength: number;
  referenceLength: number;
}

const ORDER = 4;

/** Corpus BLEU of translations against their references (Papineni et al. 2002). */
export function bleu({ hypotheses, references, tokenize = '13a', lowercase = false }: BleuOptions): Bleu {
  if (hypotheses.length !== references.length || references.some(({ length }) => length === 0)) {
    throw new MillraceError('input', `${hypotheses.length} translations and ${references.length} references`, {
      hint: 'give each translation one reference at least',
    });
  }
  const tokens = (text: string) => TOKENIZERS[tokenize](lowercase ? text.toLowerCase() : text);
  const correct = new Array<number>(ORDER).fill(0);
  const total = new Array<number>(ORDER).fill(0);
  let [hypothesisLength, referenceLength] = [0, 0];
  hypotheses.forEach((hypothesis, i) => {
    const said = tokens(hypothesis);
    const wanted = references[i]!.map(tokens);
    hypothesisLength += said.length;
    referenceLength += closest(
      said.length,
      wanted.map(({ length }) => length),
    );
    for (let n = 1; n <= ORDER; n++) {
      const limits = wanted.map((reference) => ngrams(reference, n));
      for (const [ngram, count] of ngrams(said, n)) {
        total[n - 1]! += count;
        correct[n - 1]! += Math.min(count, Math.max(...limits.map((limit) => limit.get(ngram) ?? 0)));
      }
    }
  });
  const brevityPenalty =
    hypothesisLength === 0 ? 0 : Math.min(1, Math.exp(1 - Math.max(referenceLength / hypothesisLength, 1)));
  const precisions = smooth(correct, total);
  const known = precisions.every((precision) => precision > 0);
  const score = known ? brevityPenalty * Math.exp(precisions.reduce((sum, p) => sum + Math.log(p) / ORDER, 0)) : 0;
  return { score, precisions, brevityPenalty, hypothesisLength, referenceLength };
}

/** Orders without a match count as 1/2, 1/4, .. of a match; all 0 where nothing matches at all. */
function smooth(correct: number[], total: number[]): number[] {
  let share = 1;
  const any = correct.some((count) => count > 0);
  return correct.map((count, i) => {
    if (!any || total[i] === 0) return 0;
    if (count === 0) share /= 2;
    return (100 * (count === 0 ? share : count)) / total[i]!;
  });
}

/** The reference length nearest to the hypothesis's, the shorter of two. */
function closest(length: number, references: number[]): number {
  return references.reduce((best, r) => {
    const [a, b] = [Math.abs(r - length), Math.abs(best - length)];
    return a < b || (a === b && r < best) ? r : best;
  });
}

function ngrams(tokens: string[], n: number): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= tokens.length; i++) {
    const key = tokens.slice(i, i + n).join('\u0001');
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return counts;
}

const words = (text: string) => text.split(/\s+/).filter((word) => word !== '');

const TOKENIZERS = {
  none: words,
  char: (text: string) => [...text].filter((character) => !/\s/.test(character)),
  '13a': (text: string) => words(mteval13a(text)),
};

/** Punctuation apart from words, but for periods and commas inside numbers. */
function mteval13a(text: string): string {
  const plain = text
    .replaceAll('<skipped>', '')
    .replaceAll('-\n', '')
    .replaceAll('\n', ' ')
    .replaceAll('&quot;', '"')
    .replaceAll('&amp;', '&')
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>');
  return ` ${plain} `
    .replace(/([{-~[-` -&(-+:-@/])/g, ' $1 ')
    .replace(/([^0-9])([.,])/g, '$1 $2 ')
    .replace(/([.,])([^0-9])/g, ' $1 $2')
    .replace(/([0-9])(-)/g, '$1 $2 ');
}
