/** BLEU against scores that sacreBLEU gave for generated sentences. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { type BleuOptions, bleu } from '../../src/metrics/bleu.ts';

interface Case extends Required<Pick<BleuOptions, 'hypotheses' | 'references' | 'tokenize'>> {
  score: number;
  precisions: number[];
  bp: number;
}
const { cases } = JSON.parse(readFileSync(new URL('../fixtures/bleu.json', import.meta.url), 'utf8')) as {
  cases: Case[];
};

test('scores are those of sacreBLEU', (t) => {
  t.is(cases.length, 36);
  for (const { hypotheses, references, tokenize, score, precisions, bp } of cases) {
    const found = bleu({ hypotheses, references, tokenize });
    t.true(Math.abs(found.score - score) < 1e-9, `${tokenize}: ${found.score}, sacreBLEU ${score}`);
    t.true(Math.abs(found.brevityPenalty - bp) < 1e-9);
    if (score > 0) for (const [i, p] of found.precisions.entries()) t.true(Math.abs(p - precisions[i]!) < 1e-9);
  }
});

test('a translation without a reference is refused', (t) => {
  t.throws(() => bleu({ hypotheses: ['a', 'b'], references: [['a']] }), { code: 'input' });
  t.throws(() => bleu({ hypotheses: ['a'], references: [[]] }), { code: 'input' });
});
